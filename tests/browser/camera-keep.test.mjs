// What a person keeps of a camera: snapshots and recordings.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';

import { openCamera, openNumberedCamera, startCamera, waitNoStream } from './harness/camera.mjs';
import { hook } from './harness/page.mjs';
import { Service } from './harness/service.mjs';

let service;
let camera;
before(async () => {
  service = await Service.started();
  camera = await openNumberedCamera();
});
after(async () => {
  await camera?.remove();
  await service?.stop();
});

const probe = (file) => {
  const what = ['-count_frames', '-show_entries', 'stream=codec_name,width,height,nb_read_frames,duration', '-of', 'json'];
  return JSON.parse(execFileSync('ffprobe', ['-v', 'error', '-select_streams', 'v:0', ...what, file])).streams[0];
};

test('a snapshot is what is shown, boxes and all', async () => {
  const page = await openCamera(camera.browser, service, '?transport=jpeg');
  await startCamera(page);
  await hook(page, 'pause').click();
  const [download] = await Promise.all([page.waitForEvent('download'), hook(page, 'snapshot').click()]);
  assert.match(download.suggestedFilename(), /^sightglass-\d{4}-\d\d-\d\d-\d{6}\.png$/);
  const raw = execFileSync('ffmpeg', ['-v', 'error', '-i', await download.path(), '-f', 'rawvideo', '-pix_fmt', 'rgba', '-']);
  const seen = await page.evaluate(() => {
    const canvas = document.querySelector('[data-testid=view]');
    return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data];
  });
  assert.equal(Buffer.compare(raw, Buffer.from(seen)), 0);
  await page.context().close();
  await waitNoStream(service);
});

/** Until the counter of the recording tells of so many frames. */
async function waitCounted(page, least) {
  const handle = await page.waitForFunction((n) => {
    const words = document.querySelector('[data-testid=record-counter]').textContent;
    const frames = parseInt(/· (\d+)/.exec(words)?.[1] ?? '0', 10);
    return frames >= n && frames;
  }, least);
  return handle.jsonValue();
}

for (const [way, format, codec] of [['webrtc', 'avi', 'mpeg4'], ['jpeg', 'mp4', 'h264']]) {
  test(`a recording by ${way} as ${format}, with a counter`, async () => {
    const page = await openCamera(camera.browser, service, `?transport=${way}`);
    await startCamera(page);
    await hook(page, 'record-format').selectOption(format);
    await hook(page, 'record').click();
    const counted = await waitCounted(page, 30);
    const [download] = await Promise.all([page.waitForEvent('download'), hook(page, 'record').click()]);
    assert.ok(download.suggestedFilename().endsWith(`.${format}`), download.suggestedFilename());
    const file = probe(await download.path());
    assert.equal(file.codec_name, codec);
    assert.deepEqual([file.width, file.height], [320, 240]);
    // AVI keeps its rate and real time, not each frame; the camera gives no more than 30 a second.
    const [least, got] = format === 'avi' ? [counted / 30 - 0.2, file.duration] : [counted, file.nb_read_frames];
    assert.ok(Number(got) >= least, JSON.stringify([file, counted]));
    assert.equal(await page.locator('[data-testid=recordings] a').count(), 1);
    assert.deepEqual(page.faults, []);
    await page.context().close();
    await waitNoStream(service);
  });
}

test('when the camera is stopped in the middle, what was recorded is offered', async () => {
  const page = await openCamera(camera.browser, service, '?transport=webrtc');
  await startCamera(page);
  await hook(page, 'record').click();
  await waitCounted(page, 1);
  const [download] = await Promise.all([page.waitForEvent('download'), hook(page, 'stop').click()]);
  assert.ok(Number(probe(await download.path()).nb_read_frames) > 0);
  assert.deepEqual(await page.locator('[role=alert]').allTextContents(), []);
  await page.context().close();
});
