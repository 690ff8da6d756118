// The page of the images, with everything that it sends and is told written down; and pictures for it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';

import { hook, openPage } from './page.mjs';
import { fixture } from './service.mjs';

const POST = '/api/images';

/** `/image`: each call that sends a picture stands in `window.calls`. */
export function openImages(browser, service, { query = '', before, ...options } = {}) {
  const watch = async (page) => {
    await page.addInitScript((path) => {
      const { fetch } = window;
      window.calls = [];
      window.fetch = async (address, init) => {
        const url = new URL(address, location.href);
        if (url.pathname !== path) return fetch(address, init);
        const call = { query: Object.fromEntries(url.searchParams), bytes: init.body.size, type: init.body.type };
        window.calls.push(call);
        const answer = await fetch(address, init);
        call.status = answer.status;
        call.answer = await answer.clone().json().catch(() => null);
        return answer;
      };
    }, POST);
    await before?.(page);
  };
  return openPage(browser, service, { acceptDownloads: true, ...options, path: `/image${query}`, before: watch });
}

export const calls = (page) => page.evaluate(() => window.calls);

/** The one call since the last one that was asked for. */
export const lastCall = async (page) => (await calls(page)).at(-1);

/** Chooses files and waits until they can be sent. */
export async function choose(page, ...files) {
  await page.locator('input[type=file]').setInputFiles(files);
  await sendable(page);
}

export const sendable = (page) => page.waitForFunction(() => !document.querySelector('[data-testid=send]').disabled);

/** Presses once, and waits for the end of the work. */
export async function send(page) {
  await hook(page, 'send').click();
  await sendable(page);
}

export const task = (page, name) => hook(page, 'task').locator(`[data-task=${name}]`).click();

export const set = (page, name, value) =>
  hook(page, name).evaluate((control, to) => {
    control.value = String(to);
    control.dispatchEvent(new Event('input', { bubbles: true }));
    control.dispatchEvent(new Event('change', { bubbles: true }));
  }, value);

/** The rows of the table: words. */
export const rows = (page) =>
  hook(page, 'table').locator('tbody tr').evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.textContent)));

/** What is saved by a press: { name, body }. */
export async function saved(page, name) {
  const [download] = await Promise.all([page.waitForEvent('download'), hook(page, name).click()]);
  return { name: download.suggestedFilename(), body: await readFile(await download.path()) };
}

/** The shapes that are drawn in fixtures/scene.*, by label: [x, y, w, h]. */
export async function sceneTruth() {
  const { objects } = JSON.parse(await readFile(fixture('scene.json')));
  return new Map(objects.map(({ label, box: [left, top, right, bottom] }) => [label, [left, top, right - left, bottom - top]]));
}

/** A box around each shape of the scene, in pixels of a picture that is `zoom` times as large; the best one counts. */
export function isScene(detections, truth, zoom = 1) {
  for (const [label, box] of truth) {
    const found = detections.find((one) => one.label === label);
    assert.ok(found, `no ${label}`);
    const off = Math.max(...found.box.map((value, i) => Math.abs(value - box[i] * zoom)));
    assert.ok(off <= 18 * zoom, `${label} is ${off} pixels off`);
  }
}

/** A picture made with ffmpeg's filters. */
export const makePicture = (out, input, filters, ...more) =>
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...input, '-vf', filters, '-frames:v', '1', ...more, out]);

/** Width, height and RGB pixels of a picture file, as ffmpeg reads them. */
export function pixelsOf(file) {
  const size = execFileSync('ffprobe', ['-v', 'error', '-show_entries', 'stream=width,height', '-of', 'csv=p=0', file]);
  const [width, height] = String(size).trim().split(',').map(Number);
  const data = execFileSync('ffmpeg', ['-v', 'error', '-i', file, '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'], { maxBuffer: 1 << 28 });
  return { width, height, at: (x, y) => [...data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3)] };
}

/** `[r, g, b]` of the line around a class's boxes. */
export const lineColour = (page, id) =>
  page.evaluate(async (n) => (await import('/colours.js')).colourOf(n).line.match(/\d+/g).map(Number), id);

/** How many of the points are exactly of a colour on the canvas. */
export const onCanvas = (page, points, colour) =>
  hook(page, 'view').evaluate((canvas, [all, [r, g, b]]) => {
    const pen = canvas.getContext('2d');
    return all.filter(([x, y]) => {
      const [red, green, blue] = pen.getImageData(x, y, 1, 1).data;
      return red === r && green === g && blue === b;
    }).length;
  }, [points, colour]);

/** Four points on the four lines of a box that is drawn with whole pixels in a canvas `zoom` times as large as the boxes' picture. */
export function edges([x, y, w, h], zoom, { width, height }) {
  const left = Math.max(0, Math.round(x * zoom));
  const top = Math.max(0, Math.round(y * zoom));
  const right = Math.min(width, Math.round((x + w) * zoom)) - 1;
  const bottom = Math.min(height, Math.round((y + h) * zoom)) - 1;
  const middle = [Math.round((left + right) / 2), Math.round((top + bottom) / 2)];
  return [[left, middle[1]], [right, middle[1]], [middle[0], top], [middle[0], bottom]];
}

export const canvasSize = (page) => hook(page, 'view').evaluate(({ width, height }) => ({ width, height }));
