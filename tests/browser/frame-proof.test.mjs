// The proof by which the page finds out whose word about a picture's time is good.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { BROWSERS } from './harness/browsers.mjs';
import { MP4, methodOf, proven } from './harness/everyday.mjs';
import { check, drawn, record } from './harness/numbered.mjs';
import { openId, thresholdOf, upload, waitDone } from './harness/page.mjs';
import { ROOT, Service, fixture } from './harness/service.mjs';

const KEY = 'sightglass.frame-proof';

let service;
before(async () => {
  service = await Service.started();
});
after(async () => {
  await service?.stop();
});

test('the clips of the proof have the times that the page believes', async () => {
  const browser = await BROWSERS.chromium();
  try {
    const page = await browser.open(service);
    const times = await page.evaluate(async () => {
      const { clipTime } = await import('/frame-proof.js');
      return Array.from({ length: 40 }, (_, n) => clipTime(n));
    });
    for (const name of ['frame-proof.mp4', 'frame-proof-cut.mp4', 'frame-proof.webm']) {
      const fresh = await browser.open(service);
      await upload(fresh, join(ROOT, 'www', name));
      const id = await openId(fresh);
      await waitDone(fresh);
      const events = await service.detections(id);
      assert.equal(events.length, times.length, name);
      events.forEach(({ frame, time }) => assert.ok(Math.abs(time - times[frame]) < 0.001, `${name}: frame ${frame} at ${time}`));
    }
  } finally {
    await browser.close();
  }
});

// What makes the tests of everyday.mjs worth something: a page that believes a browser's word is caught by them. Chromium's word is
// good. WebKitGTK calls back for pictures only where it paints as with a GPU, which is slow without one.
const UNTRUE = { firefox: BROWSERS.firefox, webkit: () => BROWSERS.webkit({ accelerated: true }) };

for (const [name, open] of Object.entries(UNTRUE)) {
  test(`without the proof, ${name} shows boxes of other frames`, async () => {
    const browser = await open();
    try {
      const asked = await browser.open(service);
      const { tried } = await proven(asked, MP4);
      assert.match(tried['video-frame'], /^showed the picture of/);
      if (name === 'firefox') assert.ok(asked.notes.some((line) => line.startsWith(`Frame proof, ${MP4}: `)), 'nothing in the log');
      await asked.evaluate(([key, kind]) => {
        const kept = JSON.parse(localStorage.getItem(key));
        kept.verdicts[kind] = { method: 'video-frame', tried: {} };
        localStorage.setItem(key, JSON.stringify(kept));
      }, [KEY, MP4]);
      const page = await browser.open(service);
      await record(page);
      await upload(page, fixture('numbered.mp4'));
      const id = await openId(page);
      await waitDone(page);
      await page.waitForFunction(() => window.seen.length >= 5);
      assert.equal(await methodOf(page), 'video-frame');
      const events = await service.detections(id);
      const [all, least] = [await drawn(page), await thresholdOf(page)];
      assert.throws(() => check(all, events, least), /was shown with the boxes of/);
    } finally {
      await browser.close();
    }
  });
}
