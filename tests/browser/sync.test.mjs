// The picture and the boxes are always of the same frame: while it plays, when it stands, after every seek, and whoever
// decodes the picture, the browser or the server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { check, drawn, record } from './harness/numbered.mjs';
import {
  hook, openBrowser, openId, openPage, pause, picture, repaint, seek, thresholdOf, upload, waitDone, waitFrame, waitPlaying, waitShown,
} from './harness/page.mjs';
import { Service, fixture } from './harness/service.mjs';

let service;
let browser;
before(async () => {
  service = await Service.started();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await service?.stop();
});

/** In play from the upload on, then in pause, after seeks, in steps, and in play again. `share`: of frames shown in play. */
async function goThrough(page, name, frames, share) {
  await record(page);
  await upload(page, fixture(name));
  const id = await openId(page);
  await waitDone(page);
  await waitPlaying(page, false);
  // It plays to the very last frame, whose picture may come a moment after the end.
  await waitShown(page, frames - 1);
  const events = await service.detections(id);
  assert.equal(events.length, frames);
  const least = await thresholdOf(page);
  const whole = await drawn(page);
  check(whole, events, least);
  const different = new Set(whole.map(({ frame }) => frame)).size;
  assert.ok(different >= frames * share, `only ${different} of ${frames} frames were shown in play`);

  // Seeks while it stands: the wanted frame, exactly. Back, forth, to both ends, and to the frame that is shown.
  for (const part of [0.5, 0.1, 0.9, 0, 1, 0.33, 0.34, 0.35, 0.35, 0.05, 0.75, 0.02]) {
    const wanted = Math.min(frames - 1, Math.round(part * frames));
    await seek(page, events[wanted].time + 0.001);
    await waitShown(page, wanted);
    check(await drawn(page), events, least);
  }

  // Single steps.
  await hook(page, 'view').focus().catch(() => {});
  for (let n = 1; n <= 5; n += 1) {
    const from = Math.round(0.02 * frames);
    await page.keyboard.press('ArrowRight');
    await waitShown(page, from + n);
  }
  check(await drawn(page), events, least);

  // Play, and pause at moments that nobody has chosen; and seeks in the middle of play.
  for (const stop of [8, 15, 21, 27, 34]) {
    await hook(page, 'pause').click();
    await waitFrame(page, stop);
    await pause(page);
    const before = await picture(page);
    check(await drawn(page), events, least);
    await repaint(page);
    assert.equal(await picture(page), before, 'something was drawn after the pause');
  }
  await hook(page, 'pause').click();
  for (const part of [0.2, 0.7, 0.1, 0.4, 0.6, 0.3]) {
    const wanted = Math.round(part * frames);
    await seek(page, events[wanted].time + 0.001);
    await page.waitForFunction(
      (n) => window.seen.some(({ frame }) => frame >= n && frame <= n + 6),
      wanted,
    );
    check(await drawn(page), events, least);
  }
  // A finger on the bar: many seeks, faster than pictures come.
  for (let n = 0; n < frames; n += 3) await seek(page, events[n].time);
  await waitPlaying(page, false);
  check(await drawn(page), events, least);
  return id;
}

// Over plain HTTP from another machine a browser gives no VideoFrame: pictures are then taken in another way.
const insecure = (page) => page.addInitScript(() => delete window.VideoFrame);
// A browser that cannot say which picture it shows.
const old = (page) => page.addInitScript(() => delete HTMLVideoElement.prototype.requestVideoFrameCallback);

const VIDEOS = [
  ['numbered.mp4', 90, 'B-frames'],
  ['numbered-vfr.mp4', 60, 'a variable frame rate'],
  ['numbered-rotated.mp4', 60, 'a phone’s turned picture'],
  ['numbered-vfr.mp4', 60, 'a page over plain HTTP', insecure],
  ['numbered.avi', 90, 'a file that no browser plays'],
  ['numbered-hevc.mp4', 90, 'a codec that this browser does not have'],
  ['numbered-vfr.mp4', 60, 'an old browser', old],
];

for (const [name, frames, what, before] of VIDEOS) {
  test(`picture and boxes are of the same frame: ${what}`, async () => {
    const page = await openPage(browser, service, { before });
    // Where every picture has to be proved, a busy machine shows fewer of them; wrong ones it never shows.
    await goThrough(page, name, frames, before === insecure ? 0.1 : 0.25);
    const fromServer = name.endsWith('.avi') || name.includes('hevc') || before === old;
    assert.equal(await hook(page, 'source').isVisible(), fromServer);
    if (name.includes('rotated')) {
      const size = await hook(page, 'view').evaluate(({ width, height }) => [width, height]);
      assert.deepEqual(size, [288, 384]);
    }
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
}
