// A browser with one page of the service, and the things that every test does with it.

import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
export const PATIENCE = 60_000;

/** `flags`: further ones. */
export const openBrowser = (flags = []) =>
  chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', headless: true, args: [...FLAGS, ...flags] });

// What the frame proof (www/frame-proof.js) has found in this browser, so that not every page of a test proves it again.
const PROOF = 'sightglass.frame-proof';
const proofs = new WeakMap();

/** A page of its own browser context. `page.faults` collects what the page throws; a test ends with it empty. */
export async function openPage(browser, service, { path = '/', before, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB', ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => {
    // What the browser itself says about an answer of 4xx, a broken connection or plain HTTP is no fault of the page.
    const network = /Failed to load resource|WebSocket connection|header has been ignored/.test(message.text());
    if (message.type() === 'error' && !network) page.faults.push(message.text());
  });
  const proof = proofs.get(browser);
  if (proof) await page.addInitScript(([key, kept]) => localStorage.getItem(key) ?? localStorage.setItem(key, kept), [PROOF, proof]);
  if (before) await before(page);
  await page.goto(new URL(path, service.url).href);
  await page.waitForFunction(() => {
    const none = document.querySelector('sg-videos .none'); // only the page of the videos has a list
    return !none || !none.hidden || document.querySelector('sg-videos li');
  });
  if (path === '/' && !before && !proof) {
    proofs.set(browser, await page.evaluate(async (key) => {
      const { provenMethod } = await import('/frame-proof.js');
      for (const kind of ['mp4', 'mp4-cut']) await provenMethod(kind);
      return localStorage.getItem(key);
    }, PROOF));
  }
  return page;
}

export const hook = (page, name) => page.locator(`[data-testid="${name}"]`);

export const upload = (page, ...files) => page.locator('input[type=file]').setInputFiles(files);

/** The id of the open video: the page keeps it in its address. */
export async function openId(page) {
  await page.waitForFunction(() => new URLSearchParams(location.search).has('video'));
  return new URL(page.url()).searchParams.get('video');
}

export const waitState = (page, state) =>
  page.waitForFunction((wanted) => document.querySelector('[data-testid=state]').dataset.state === wanted, state);

export const waitDone = (page) => waitState(page, 'done');

/** Until frame `from` or a later one is shown. */
export const waitFrame = (page, from) =>
  page.waitForFunction((least) => Number(document.querySelector('[data-testid=view]').dataset.frame ?? -1) >= least, from);

/** Until this very frame is shown. */
export const waitShown = (page, frame) =>
  page.waitForFunction((n) => document.querySelector('[data-testid=view]').dataset.frame === String(n), frame);

export const shownFrame = (page) => hook(page, 'view').evaluate((canvas) => Number(canvas.dataset.frame ?? -1));

/** How many frames are detected as far as the page knows. */
export const framesDone = (page) => hook(page, 'frames').evaluate((text) => parseInt(text.textContent, 10));

export const waitFramesDone = (page, least) =>
  page.waitForFunction((n) => parseInt(document.querySelector('[data-testid=frames]').textContent, 10) >= n, least);

export const thresholdOf = (page) => hook(page, 'threshold').evaluate((slider) => Number(slider.value));

export const isPlaying = (page) => page.evaluate(() => document.getElementById('pause').classList.contains('playing'));

/** Until the button says that it stands (or plays). */
export const waitPlaying = (page, playing) =>
  page.waitForFunction((wanted) => document.getElementById('pause').classList.contains('playing') === wanted, playing);

/** Pauses, if it plays: a short video may have come to its end by itself. */
export async function pause(page) {
  await page.evaluate(() => {
    const button = document.getElementById('pause');
    if (button.classList.contains('playing')) button.click();
  });
  await waitPlaying(page, false);
}

/** Moves the seek bar as a finger does: input, then change. */
export const seek = (page, seconds) =>
  hook(page, 'seek').evaluate((bar, to) => {
    bar.value = String(to);
    bar.dispatchEvent(new Event('input', { bubbles: true }));
    bar.dispatchEvent(new Event('change', { bubbles: true }));
  }, seconds);

/** A short mark of everything that is on the canvas now. */
export const picture = (page) =>
  page.evaluate(() => {
    const canvas = document.querySelector('[data-testid=view]');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let mark = 0;
    for (const value of data) mark = (Math.imul(mark, 31) + value) | 0;
    return `${canvas.dataset.frame}:${mark}`;
  });

/** Two repaints: whatever was going to be drawn because of what has just happened is drawn. */
export const repaint = (page) =>
  page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
