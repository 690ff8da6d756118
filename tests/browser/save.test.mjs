// Save as video: not before every frame is detected, then with progress, then a file that plays.

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
