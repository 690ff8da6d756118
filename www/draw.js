// A picture and the boxes of exactly that picture, onto a canvas, in one step.

import { colourOf } from './colours.js';
import { passes } from './track.js';

// Larger pictures are shown scaled down: nobody sees the difference, and a phone has to hold the canvas in memory.
const WIDEST = 1920;

/**
 * options: { threshold, labels, scores, hidden: Set of class ids, mirror: left and right change places }, and for a canvas
 * that nobody looks at { widest: in pixels, scale: how thick and large lines and letters are }
 */
export function paint(canvas, picture, track, frame, options) {
  const size = track.size(frame);
  const zoom = fit(canvas, size.width, size.height, options.widest);
  const { width, height } = canvas;
  const pen = canvas.getContext('2d');
  if (options.mirror) pen.setTransform(-1, 0, 0, 1, width, 0);
  pen.drawImage(picture, 0, 0, width, height);
  pen.resetTransform();
  // The canvas is shown larger or smaller than it is: lines and letters keep their size for the eye.
  const perCssPixel = options.scale ?? width / (canvas.clientWidth || width);
  const line = Math.max(2, Math.round(2 * perCssPixel));
  const letters = Math.max(11, Math.round(13 * perCssPixel));
  pen.font = `600 ${letters}px system-ui, sans-serif`;
  pen.textBaseline = 'middle';
  const named = [];
  track.each(frame, (id, score, x, y, w, h) => {
    if (!passes(score, options.threshold) || options.hidden.has(id)) return;
    const left = options.mirror ? size.width - x - w : x;
    const box = whole(left * zoom, y * zoom, w * zoom, h * zoom, width, height);
    const colour = colourOf(id);
    outline(pen, box, line, colour.line);
    const words = [options.labels && track.labels.get(id), options.scores && score.toFixed(2)].filter(Boolean).join(' ');
    if (words) named.push({ box, words, colour });
  });
  // Over all boxes, and the most certain first, so that it is the less certain one that has to look for another place.
  const pad = Math.round(letters * 0.35);
  const taken = [];
  for (const { box, words, colour } of named.reverse()) {
    const place = freePlace(box, Math.ceil(pen.measureText(words).width) + 2 * pad, letters + pad, line, width, height, taken);
    if (!place) continue;
    taken.push(place);
    plate(pen, place, words, pad, letters, colour);
  }
}

/**
 * Where a label of this size can stand: above its box, else inside it or below it, at the left or the right. Null where each
 * of these places would cover another label: two labels on one spot tell nobody anything, and the box has its colour.
 * `taken`: { left, top, w, h } of the labels that stand.
 */
export function freePlace(box, w, h, line, width, height, taken) {
  const inside = (left) => Math.max(0, Math.min(left, width - w));
  const lefts = [inside(box.left), inside(box.right - w)];
  const tops = [box.top - h, box.top + line, box.bottom, box.bottom - line - h];
  for (const top of tops) {
    if (top < 0 || top + h > height) continue;
    for (const left of lefts) {
      const isFree = taken.every((one) => left >= one.left + one.w || left + w <= one.left || top >= one.top + one.h || top + h <= one.top);
      if (isFree) return { left, top, w, h };
    }
  }
  return null;
}

/** Gives the canvas the picture's size, and says by how much the picture is made smaller for it. */
export function fit(canvas, width, height, widest = WIDEST) {
  const zoom = Math.min(1, widest / width);
  const size = { width: Math.max(1, Math.round(width * zoom)), height: Math.max(1, Math.round(height * zoom)) };
  // Setting the size clears the canvas, so only where it differs.
  if (canvas.width !== size.width || canvas.height !== size.height) Object.assign(canvas, size);
  canvas.style.setProperty('--aspect', String(size.width / size.height));
  return zoom;
}

// Whole pixels keep the lines sharp, and let a test say where they are.
function whole(x, y, w, h, width, height) {
  const left = Math.max(0, Math.round(x));
  const top = Math.max(0, Math.round(y));
  return { left, top, right: Math.min(width, Math.round(x + w)), bottom: Math.min(height, Math.round(y + h)) };
}

function outline(pen, { left, top, right, bottom }, line, colour) {
  const w = right - left;
  const h = bottom - top;
  // A dark hairline around the coloured line keeps it visible on a background of its own colour.
  pen.strokeStyle = 'rgba(0, 0, 0, 0.55)';
  pen.lineWidth = 1;
  pen.strokeRect(left - 0.5, top - 0.5, w + 1, h + 1);
  pen.fillStyle = colour;
  pen.fillRect(left, top, w, line);
  pen.fillRect(left, bottom - line, w, line);
  pen.fillRect(left, top, line, h);
  pen.fillRect(right - line, top, line, h);
}

function plate(pen, { left, top, w, h }, words, pad, letters, colour) {
  pen.fillStyle = colour.line;
  pen.fillRect(left, top, w, h);
  pen.fillStyle = colour.ink;
  pen.fillText(words, left + pad, top + h / 2 + letters * 0.04);
}
