// Network cameras on the wall: added, watched with the boxes of exactly the shown frame, paused, recorded, lost, removed.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';

import { alert, openCamera, streams, told, waitDrawn, waitNoStream } from './harness/camera.mjs';
import { MotionJpeg } from './harness/motion-jpeg.mjs';
import { check, drawn, record } from './harness/numbered.mjs';
import { hook, openBrowser, thresholdOf } from './harness/page.mjs';
import { Service } from './harness/service.mjs';

let service;
let browser;
let camera;
before(async () => {
  service = await Service.started(['--stream-networks', '127.0.0.0/8']);
  browser = await openBrowser();
  camera = await MotionJpeg.started();
});
after(async () => {
  await browser?.close();
  await service?.stop();
  await camera?.stop();
});

const believe = (frame, code) => code;

async function openWall(options) {
  return openCamera(browser, service, '?tab=network', options);
}

async function add(page, url, name) {
  await hook(page, 'stream-url').fill(url);
  await hook(page, 'stream-name').fill(name);
  await hook(page, 'stream-add').click();
}

const waitTile = (page, state) =>
  page.waitForFunction((wanted) => document.querySelector('[data-testid=tile-state]')?.dataset.state === wanted, state);

async function removeTile(page) {
  await hook(page, 'tile-delete').first().click();
  await hook(page, 'tile-delete-sure').first().click();
}

test('a camera is added, watched, paused, recorded, opened large, lost, found again and removed', async () => {
  const page = await openWall();
  await add(page, camera.url.replace('//', '//user:secret@'), 'Yard');
  await waitTile(page, 'live');
  const tile = hook(page, 'tile');
  assert.doesNotMatch(await tile.innerText(), /secret|user/);
  assert.match(await tile.innerText(), /Yard/);

  // The boxes are those of the very picture.
  await record(page, 'tile-view');
  await waitDrawn(page, 25);
  check(await drawn(page), await told(page), await thresholdOf(page), believe);

  await hook(page, 'tile-pause').click();
  await waitTile(page, 'paused');
  assert.equal((await streams(service))[0].state, 'paused');
  await hook(page, 'tile-pause').click();
  await waitTile(page, 'live');

  await hook(page, 'tile-record').click();
  await page.waitForFunction(() => /· [1-9]\d/.test(document.querySelector('[data-testid=tile-counter]').textContent));
  const [download] = await Promise.all([page.waitForEvent('download'), hook(page, 'tile-record').click()]);
  const what = ['-v', 'error', '-select_streams', 'v:0', '-count_frames', '-show_entries', 'stream=nb_read_frames', '-of', 'csv=p=0'];
  assert.ok(Number(execFileSync('ffprobe', [...what, await download.path()])) >= 10);
  assert.equal(await tile.locator('.recordings a').count(), 1);

  await hook(page, 'tile-open').click();
  await page.waitForFunction(() => Number(document.querySelector('[data-testid=large-view]').dataset.frame) > 0);
  await record(page, 'large-view');
  await waitDrawn(page, 25);
  check(await drawn(page), await told(page), Number(await hook(page, 'large-threshold').inputValue()), believe);
  assert.equal(await page.locator('#large-recording .recordings a').count(), 1);
  await hook(page, 'large-close').click();

  await camera.stop();
  await waitTile(page, 'reconnecting');
  await page.waitForFunction(() => document.querySelector('[data-testid=tile-why]').textContent.length > 10);
  // Large, it says the same, and shows the picture again when there is one.
  await hook(page, 'tile-open').click();
  await page.waitForFunction(() => document.querySelector('[data-testid=large-why]').textContent.length > 10);
  assert.ok(await hook(page, 'large-why').isVisible());
  await hook(page, 'large-close').click();
  await camera.start();
  await waitTile(page, 'live');

  await removeTile(page);
  await tile.waitFor({ state: 'detached' });
  await waitNoStream(service);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('an address that is none, or is not allowed, is said in words', async () => {
  const page = await openWall();
  const refusals = [
    ['', /Type the address/],
    ['ftp://127.0.0.1/x', /ftp/],
    ['rtsp://192.168.1.20/stream1', /--stream-networks/],
  ];
  for (const [url, words] of refusals) {
    await add(page, url, '');
    await page.waitForFunction((form) => new RegExp(form).test(document.querySelector('[data-testid=message]').textContent), words.source);
    assert.match(await alert(page), words);
    assert.equal(await hook(page, 'stream-url').inputValue(), url, 'what was typed is kept');
  }
  assert.deepEqual(await streams(service), []);
  await page.context().close();
});

test('only tiles that somebody sees are sent pictures', async () => {
  const page = await openWall({ viewport: { width: 500, height: 500 } });
  const names = ['One', 'Two', 'Three', 'Four'];
  for (const name of names) {
    await service.json('/api/streams', { method: 'POST', body: JSON.stringify({ url: camera.url, name }) });
  }
  await page.waitForFunction((n) => document.querySelectorAll('[data-testid=tile]').length === n, names.length);
  const last = hook(page, 'tile-view').last();
  await last.scrollIntoViewIfNeeded();
  await page.waitForFunction(() => [...document.querySelectorAll('[data-testid=tile-view]')].at(-1).dataset.frame > 0);
  const first = () => document.querySelector('[data-testid=tile-view]').dataset.frame;
  const stands = await page.evaluate(first);
  const now = Number(await last.evaluate((canvas) => canvas.dataset.frame));
  await page.waitForFunction((from) => [...document.querySelectorAll('[data-testid=tile-view]')].at(-1).dataset.frame > from, now + 10);
  assert.equal(await page.evaluate(first), stands);
  for (const { id } of await streams(service)) await fetch(new URL(`/api/streams/${id}`, service.url), { method: 'DELETE' });
  await page.waitForFunction(() => !document.querySelector('[data-testid=tile]'));
  assert.deepEqual(page.faults, []);
  await page.context().close();
});
