// The camera page with a camera that shows the numbered video again and again.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { hook, openBrowser, openPage } from './page.mjs';
import { fixture } from './service.mjs';

/** A browser whose camera shows frames 0 to 89 of the numbered video, 30 a second. `remove()` ends it. */
export async function openNumberedCamera(flags = []) {
  const folder = await mkdtemp(join(tmpdir(), 'sightglass-camera-'));
  const clip = join(folder, 'numbered.y4m');
  execFileSync('ffmpeg', ['-v', 'error', '-i', fixture('numbered.mp4'), '-pix_fmt', 'yuv420p', clip]);
  const fake = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${clip}`];
  const browser = await openBrowser([...fake, ...flags]);
  const remove = async () => {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { browser, remove };
}

/** `/camera`, where everything that the server tells of frames is written down in `window.told`, by frame. */
export function openCamera(browser, service, query = '', options = {}) {
  const before = async (page) => {
    await page.addInitScript(() => {
      const parse = JSON.parse;
      window.told = {};
      JSON.parse = (...all) => {
        const value = parse(...all);
        if (value?.type === 'frame') window.told[value.frame] = value;
        return value;
      };
    });
    await options.before?.(page);
  };
  return openPage(browser, service, { acceptDownloads: true, ...options, path: `/camera${query}`, before });
}

export const told = (page) => page.evaluate(() => window.told);

export const transport = (page) => hook(page, 'transport').textContent();

export const shown = (page) => hook(page, 'view').evaluate(({ dataset }) => Number(dataset.frame ?? -1));

/** Until so many more pictures were drawn (`record(page)` counts them). */
export async function waitDrawn(page, more) {
  const now = await page.evaluate(() => window.seen.length);
  await page.waitForFunction((least) => window.seen.length >= least, now + more);
}

/** Presses start, and waits for the first picture with boxes. */
export async function startCamera(page) {
  await hook(page, 'start').click();
  await page.waitForFunction(() => document.querySelector('[data-testid=view]').dataset.frame !== undefined);
}

/** The words of the alert. */
export async function alert(page) {
  await page.locator('[data-testid=message][role=alert]').waitFor();
  return page.locator('[data-testid=message] p').innerText();
}

export const streams = async (service) => (await service.json('/api/streams')).items;

/** Until the server lists no stream any more. */
export async function waitNoStream(service) {
  const late = Date.now() + 30_000;
  while ((await streams(service)).some(({ state }) => state !== 'ended')) {
    assert.ok(Date.now() < late, 'a stream is still there');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
