// What a user does, in Chromium, Firefox and WebKitGTK: upload, watch, save, camera, image. Above all: whatever a browser
// says about the time of its pictures, picture and boxes are of the same frame.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { BROWSERS } from './harness/browsers.mjs';
import { isScene, sceneTruth } from './harness/image.mjs';
import { check, drawn, record } from './harness/numbered.mjs';
import {
  hook, openId, pause, picture, repaint, seek, thresholdOf, upload, waitDone, waitFrame, waitPlaying, waitShown,
} from './harness/page.mjs';
import { Service, fixture } from './harness/service.mjs';

const KEY = 'sightglass.frame-proof';
const MP4 = 'mp4';
const CUT = 'mp4-cut';

// fixtures/README.md says what each is. `first`: the number that frame 0 carries.
const VIDEOS = [
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

let service;
before(async () => {
  service = await Service.started();
});
after(async () => {
  await service?.stop();
});

const proven = (page, kind) =>
  page.evaluate(async (one) => (await import('/frame-proof.js')).provenMethod(one), kind);

const methodOf = (page) => hook(page, 'method').evaluate((line) => line.dataset.frameMethod);

for (const [name, open] of Object.entries(BROWSERS)) {
  describe(name, () => {
    let browser;
    before(async () => {
      browser = await open();
    });
    after(async () => {
      await browser?.close();
    });

    for (const { name: file, kind, frames, first = 0, what } of VIDEOS) {
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

        // The choice is the proof's, it can be seen, and it is told in the log.
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
        for (const part of [0.5, 0.1, 0.9, 0, 1, 0.34, 0.35]) {
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
        for (const part of [0.6, 0.2]) {
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
  });
}
