// Save as video: not before every frame is detected, then with progress, then a file that plays. Copies are found again after
// a reload, can be deleted, and one in work can be cancelled.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { hook, openBrowser, openPage, upload, waitDone, waitFrame } from './harness/page.mjs';
import { Service, fixture } from './harness/service.mjs';

const FRAMES = 600;

let service;
let browser;
let folder;
let file;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sightglass-save-'));
  file = join(folder, 'holiday in Ås.mp4');
  // Large enough that writing it takes longer than a look at the progress bar.
  const again = ['-stream_loop', '1', '-i', fixture('shapes.mp4'), '-frames:v', String(FRAMES)];
  execFileSync('ffmpeg', ['-v', 'error', ...again, '-c:v', 'libx264', '-preset', 'ultrafast', file]);
  service = await Service.started();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await service?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

function probe(path) {
  const entries = 'stream=codec_name,width,height,nb_read_frames:format=format_name,duration';
  const words = execFileSync('ffprobe', ['-v', 'error', '-count_frames', '-show_entries', entries, '-of', 'json', path]);
  const { streams, format } = JSON.parse(words);
  return { ...streams[0], ...format, frames: Number(streams[0].nb_read_frames) };
}

test('the annotated video is saved, as AVI and as MP4', async () => {
  const page = await openPage(browser, service, { acceptDownloads: true });
  await upload(page, file);
  await waitFrame(page, 1);
  const [state, disabled] = await page.evaluate(() => {
    const byTest = (name) => document.querySelector(`[data-testid=${name}]`);
    return [byTest('state').dataset.state, byTest('save').disabled];
  });
  assert.notEqual(state, 'done', 'the work was over before anything could be tested');
  assert.ok(disabled, 'it can be pressed before the end');
  await waitDone(page);

  for (const format of ['avi', 'mp4']) {
    await hook(page, 'save-format').selectOption(format);
    const posts = [];
    page.on('request', (request) => request.method() === 'POST' && posts.push(request.url()));
    await page.evaluate(() => {
      const bar = document.querySelector('[data-testid=save-progress]');
      window.steps = [];
      const note = () => bar.hidden || window.steps.push(bar.value);
      new MutationObserver(note).observe(bar, { attributes: true });
    });
    const coming = page.waitForEvent('download');
    await hook(page, 'save').evaluate((button) => (button.click(), button.click()));
    assert.ok(await hook(page, 'save-progress').isVisible());
    const download = await coming;
    assert.equal(posts.length, 1, 'two clicks made two files');
    page.removeAllListeners('request');
    assert.match(download.suggestedFilename(), new RegExp(`^holiday in .*\\.${format}$`));
    const path = await download.path();
    const head = (await readFile(path)).subarray(0, 12).toString('latin1');
    if (format === 'avi') assert.match(head, /^RIFF[^]{4}AVI $/);
    else assert.match(head, /^[^]{4}ftyp/);
    const found = probe(path);
    assert.deepEqual([found.width, found.height, found.frames], [854, 480, FRAMES]);
    assert.ok(Math.abs(found.duration - FRAMES / 30) < 0.1, `it lasts ${found.duration} s`);
    const steps = await page.evaluate(() => window.steps);
    assert.ok(steps.some((step) => step > 0 && step < 1), `no progress was shown between 0 and 1: ${steps}`);
    assert.equal(steps.at(-1), 1);
    assert.ok(await hook(page, 'save-link').isVisible());
    assert.ok(await hook(page, 'save').isEnabled());
  }
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

const copies = (page) => hook(page, 'copies').locator('li');
const waitCopies = (page, ...states) =>
  page.waitForFunction(
    (wanted) => [...document.querySelectorAll('[data-testid=copies] li')].map((li) => li.dataset.state).join() === wanted,
    states.join(),
  );

test('copies are listed after a reload, and can be downloaded and deleted', async () => {
  const [{ id }] = (await service.json('/api/videos')).items;
  const page = await openPage(browser, service, { path: `/?video=${id}`, acceptDownloads: true });
  await waitCopies(page, 'done', 'done'); // of the test before
  assert.match(await copies(page).first().innerText(), /MP4.* [KM]B/s);
  const coming = page.waitForEvent('download');
  await copies(page).last().locator('a').click();
  assert.match((await coming).suggestedFilename(), /^holiday in .*\.avi$/);

  // Another video and back: the list is that of the open one.
  await hook(page, 'sample').click();
  await page.waitForFunction(() => document.getElementById('name').textContent === 'sample.mp4');
  await waitCopies(page);
  await page.goBack();
  await waitCopies(page, 'done', 'done');

  await copies(page).first().locator('[data-testid=copy-remove]').click();
  await waitCopies(page, 'done');
  const { items } = await service.json(`/api/videos/${id}/recordings`);
  assert.deepEqual(items.map(({ format }) => format), ['avi']);
  await page.reload();
  await waitCopies(page, 'done');
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('a copy in work is followed after a reload, and can be cancelled', async () => {
  const { items } = await service.json('/api/videos');
  const { id } = items.find(({ name }) => name.startsWith('holiday'));
  const page = await openPage(browser, service, { path: `/?video=${id}`, acceptDownloads: true });
  await waitCopies(page, 'done');
  await waitDone(page);
  await hook(page, 'save').click();
  await page.waitForFunction(() => /encoding|queued/.test(document.querySelector('[data-testid=copies] li').dataset.state));
  await page.reload();
  await waitCopies(page, 'encoding', 'done');
  assert.ok(await hook(page, 'save').isDisabled());
  assert.ok(await hook(page, 'save-progress').isVisible());
  assert.equal(await copies(page).first().locator('[data-testid=copy-remove]').innerText(), 'Cancel');
  await copies(page).first().locator('[data-testid=copy-remove]').click();
  await waitCopies(page, 'done');
  assert.equal((await service.json(`/api/videos/${id}/recordings`)).items.length, 1);
  assert.ok(await hook(page, 'save').isEnabled());
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('a copy that somebody else has ordered is listed and is not downloaded by itself', async () => {
  const { items } = await service.json('/api/videos');
  const { id } = items.find(({ name }) => name.startsWith('holiday'));
  await service.json(`/api/videos/${id}/recordings`, { method: 'POST', body: JSON.stringify({ format: 'mp4' }) });
  const page = await openPage(browser, service, { path: `/?video=${id}`, acceptDownloads: true });
  let downloads = 0;
  page.on('download', () => (downloads += 1));
  await waitCopies(page, 'done', 'done');
  assert.equal(downloads, 0);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});
