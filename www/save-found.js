// Results as files. Everything is in pixels of the picture as the person has it, however small it was made to be sent.

import { fetchFile } from './api.js';
import { paint } from './draw.js';
import { LiveTrack } from './live-track.js';
import { saveFile } from './save-file.js';

const QUALITY = 0.92;
const PLAIN_WIDTH = 1280; // at which lines and letters have the size that they have on a screen

/** `results`: one for each picture: { picture, answer, seen: its detections as far as they are shown }. */
export function saveJson(results) {
  const all = results.map(({ picture, answer: { found, error }, seen }) => {
    if (error) return { name: picture.name, error };
    const { width, height, model, classes } = found;
    return { name: picture.name, width, height, model, ...(seen ? { detections: seen } : { classes }) };
  });
  save(results, 'json', `${JSON.stringify(all.length === 1 ? all[0] : all, null, 1)}\n`, 'application/json');
}

export function saveCsv(results) {
  const lines = results.flatMap(({ picture, answer: { found }, seen }) => {
    const row = ({ label, class_id: id, score, box = [] }) => [picture.name, label, id, score, ...box];
    return (seen ?? found?.classes ?? []).map(row);
  });
  const boxes = results.some(({ seen }) => seen);
  const head = ['name', 'label', 'class_id', 'score', ...(boxes ? ['x', 'y', 'width', 'height'] : [])];
  const text = [head, ...lines].map((line) => line.map(cell).join(',')).join('\r\n');
  // Without the mark spreadsheets take it for their old code page, and Chinese names break.
  save(results, 'csv', `\uFEFF${text}\r\n`, 'text/csv');
}

/** `options`: what paint() reads. Throws where the browser cannot. */
export async function saveJpeg({ picture, answer, seen }, options) {
  const name = `${stem(picture.name)}-boxes.jpg`;
  if (answer.found.drawn) {
    saveFile(await bytesOf(answer.found.drawn), name);
    return;
  }
  const { width, height } = picture;
  const pixels = await picture.pixels();
  const canvas = document.createElement('canvas');
  const track = new LiveTrack();
  track.take({ frame: 0, time: 0, width, height, detections: seen }, pixels);
  const scale = Math.max(1, Math.max(width, height) / PLAIN_WIDTH);
  paint(canvas, pixels, track, 0, { ...options, mirror: false, widest: Infinity, scale });
  pixels.close();
  const body = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', QUALITY));
  if (!body) throw new Error('canvas');
  saveFile(body, name);
}

function save(results, ending, text, type) {
  const name = results.length === 1 ? stem(results[0].picture.name) : 'sightglass';
  saveFile(new Blob([text], { type: `${type};charset=utf-8` }), `${name}.${ending}`);
}

const stem = (name) => name.replace(/\.[^.]*$/, '') || 'picture';

// RFC 4180.
const cell = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));

/** The picture at an address, which may be the picture itself (`data:`). */
async function bytesOf(address) {
  if (!address.startsWith('data:')) return fetchFile(address);
  const [head, body] = address.split(',');
  return new Blob([Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0))], { type: /^data:([^;]*)/.exec(head)[1] });
}
