// What a user does, for any of the three browsers: upload, watch, save, camera, image. Above all: whatever a browser says
// about the time of its pictures, picture and boxes are of the same frame.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';

import { BROWSERS } from './browsers.mjs';
import { sceneTruth } from './image.mjs';
import { check, drawn, record } from './numbered.mjs';
import {
  hook, openId, pause, picture, repaint, seek, thresholdOf, upload, waitDone, waitFrame, waitPlaying, waitShown,
} from './page.mjs';
import { Service, fixture } from './service.mjs';

export const MP4 = 'mp4';
const CUT = 'mp4-cut';

// fixtures/README.md says what each is. `first`: the number that frame 0 carries.
export const VIDEOS = [
  { name: 'numbered.mp4', kind: MP4, frames: 90, what: 'B-frames' },
  { name: 'numbered-vfr.mp4', kind: MP4, frames: 60, what: 'a variable frame rate' },
  { name: 'numbered-rotated.mp4', kind: MP4, frames: 60, what: 'a phone’s turned picture' },
  { name: 'numbered-editlist.mp4', kind: CUT, frames: 60, first: 20, what: 'an edit list that leaves out the beginning' },
];

/** Which method each browser's proof may find; what it finds decides what the page does. */
const EXPECTED = {
  chromium: { [MP4]: 'video-frame', [CUT]: 'video-frame' },
  firefox: { [MP4]: 'media-time-displayed', [CUT]: 'server' },
  webkit: { [MP4]: 'server', [CUT]: 'server' },
};

export const proven = (page, kind) =>
  page.evaluate(async (one) => (await import('/frame-proof.js')).provenMethod(one), kind);

export const methodOf = (page) => hook(page, 'method').evaluate((line) => line.dataset.frameMethod);

/** Registers the tests for a browser of BROWSERS; `videos`: of VIDEOS. */
export function everyday(name, videos = VIDEOS) {
  let service;
  let browser;
  before(async () => {
    service = await Service.started();
    browser = await BROWSERS[name]();
  });
  after(async () => {
    await browser?.close();
    await service?.stop();
  });

  for (const { name: file, kind, frames, first = 0, what } of videos) {
    test(`picture and boxes are of the same frame: ${what}`, async () => {
      const page = await browser.open(service);
      await record(page);
      await upload(page, fixture(file));
      const id = await openId(page);
      await waitDone(page);
      await waitPlaying(page, false);
      await waitShown(page, frames - 1);
      const events = await service.detections(id);
      assert.equal(events.length, frames);
      const least = await thresholdOf(page);
      const numberOf = (frame) => frame + first;
      const right = async () => {
        const all = await drawn(page);
        check(all, events, least, numberOf);
        return new Set(all.map(({ frame }) => frame)).size;
      };
      await right();

      // The method is the one that the self-test chose; it is visible and logged.
      const { method, tried } = await proven(page, kind);
      assert.equal(await methodOf(page), method ?? 'server');
      assert.equal(await methodOf(page), EXPECTED[name][kind], JSON.stringify(tried));
      assert.equal(await hook(page, 'source').isVisible(), method === null);
      assert.match(await hook(page, 'method').textContent(), /^Frames matched by: ./);

      // At normal speed, all frames being known: two to three seconds.
      await seek(page, 0);
      await waitShown(page, 0);
      await hook(page, 'pause').click();
      await waitShown(page, frames - 1);
      await waitPlaying(page, false);
      const different = await right();
      assert.ok(different >= 10, `only ${different} frames were shown in play`);

      // Seeks while it stands: the wanted frame, exactly; then a step.
      for (const part of [0.5, 0, 1, 0.34, 0.35]) {
        const wanted = Math.min(frames - 1, Math.round(part * frames));
        await seek(page, events[wanted].time + 0.001);
        await waitShown(page, wanted);
        await right();
      }
      await hook(page, 'view').focus();
      await page.keyboard.press('ArrowRight');
      await waitShown(page, Math.round(0.35 * frames) + 1);
      await right();

      // Paused in play, and sought in play.
      for (const stop of [30, 45]) {
        await hook(page, 'pause').click();
        await waitPlaying(page, true);
        await waitFrame(page, stop);
        await pause(page);
        const stands = await picture(page);
        await repaint(page);
        assert.equal(await picture(page), stands, 'something was drawn after the pause');
        await right();
      }
      await seek(page, 0);
      await waitShown(page, 0);
      await hook(page, 'pause').click();
      for (const part of [0.2, 0.6]) {
        const wanted = Math.round(part * frames);
        await seek(page, events[wanted].time + 0.001);
        await page.waitForFunction((n) => window.seen.some(({ frame }) => frame >= n && frame <= n + 12), wanted);
        await right();
      }
      await waitPlaying(page, false);
      await right();

      if (file.includes('rotated')) {
        assert.deepEqual(await hook(page, 'view').evaluate(({ width, height }) => [width, height]), [288, 384]);
      }
      assert.deepEqual(page.faults, []);
    });
  }

  test('the annotated video is saved', async () => {
    const page = await browser.open(service);
    await upload(page, fixture('numbered.mp4'));
    await openId(page);
    await waitDone(page);
    const path = await browser.download(page, 'save', 'save-link');
    const entries = ['-count_frames', '-select_streams', 'v:0', '-show_entries', 'stream=width,height,nb_read_frames', '-of', 'csv=p=0'];
    assert.equal(String(execFileSync('ffprobe', ['-v', 'error', ...entries, path])).trim(), '320,240,90');
    await page.waitForFunction(() => !document.querySelector('[data-testid=save]').disabled);
    assert.ok(await hook(page, 'save-link').isVisible());
    assert.deepEqual(page.faults, []);
  });

  test('the image page finds what is in a picture', async () => {
    const page = await browser.open(service, '/image');
    await upload(page, fixture('scene.jpg'));
    await hook(page, 'send').click();
    await page.waitForFunction(() => /found/.test(document.querySelector('[data-testid=summary]').textContent));
    const found = await hook(page, 'table').evaluate((table) =>
      [...table.querySelectorAll('tbody tr')].map((row) => row.cells[0].textContent.trim()));
    for (const label of (await sceneTruth()).keys()) assert.ok(found.includes(label), `no ${label} among ${found}`);
    assert.deepEqual(page.faults, []);
  });

  test('the camera page shows boxes on what the camera sees', async () => {
    const page = await browser.open(service, '/camera');
    await hook(page, 'start').click();
    await page.waitForFunction(() => document.querySelector('[data-testid=view]').dataset.frame !== undefined);
    const first = await hook(page, 'view').evaluate((canvas) => Number(canvas.dataset.frame));
    await page.waitForFunction((n) => Number(document.querySelector('[data-testid=view]').dataset.frame) >= n, first + 10);
    await page.waitForFunction(async () =>
      (await (await fetch('/api/streams')).json()).items.some(({ state, frames_done: done }) => state === 'live' && done >= 10));
    // Debian's WebKitGTK is built without WebRTC.
    assert.equal(await hook(page, 'transport').textContent(), name === 'webkit' ? 'jpeg' : 'webrtc');
    await hook(page, 'stop').click();
    await page.waitForFunction(async () => (await (await fetch('/api/streams')).json()).items.every(({ state }) => state === 'ended'));
    assert.deepEqual(page.faults, []);
  });
}
