// Files whose times are not as simple as they look: there the browser's clock and the server's could part, and with them
// the picture and its boxes.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { check, drawn, record } from './harness/numbered.mjs';
import {
  hook, openBrowser, openId, openPage, seek, thresholdOf, upload, waitDone, waitPlaying, waitShown,
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

// fixtures/README.md says what each is. `first`: the number that frame 0 carries.
const VIDEOS = [
  { name: 'numbered-editlist.mp4', frames: 60, first: 20, what: 'an edit list that leaves out the beginning' },
  { name: 'numbered-gap.mp4', frames: 60, what: 'nothing in the first half second' },
  { name: 'numbered-odd.mp4', frames: 60, what: 'odd width and height' },
  { name: 'numbered-10bit.mp4', frames: 60, what: 'ten bits a sample' },
  { name: 'numbered-fullrange.mp4', frames: 60, what: 'full range' },
  { name: 'numbered-fragmented.mp4', frames: 90, what: 'a fragmented file' },
  { name: 'numbered-resize.ts', frames: 90, what: 'another size from the middle on' },
];

for (const { name, frames, first = 0, what } of VIDEOS) {
  test(`picture and boxes are of the same frame: ${what}`, async () => {
    const page = await openPage(browser, service);
    await record(page);
    await upload(page, fixture(name));
    const id = await openId(page);
    await waitDone(page);
    await waitPlaying(page, false);
    assert.equal(await hook(page, 'message').locator('p').textContent(), '', 'the page has something to complain of');
    await waitShown(page, frames - 1);
    const events = await service.detections(id);
    assert.equal(events.length, frames);
    const numberOf = (frame) => frame + first;
    const whole = await drawn(page);
    check(whole, events, await thresholdOf(page), numberOf);
    const different = new Set(whole.map(({ frame }) => frame)).size;
    assert.ok(different >= frames * 0.25, `only ${different} of ${frames} frames were shown in play`);
    for (const wanted of [0, frames >> 1, 7, frames - 2, 1, frames - 1]) {
      await seek(page, events[wanted].time + 0.001);
      await waitShown(page, wanted);
      check(await drawn(page), events, await thresholdOf(page), numberOf);
    }
    assert.equal(await hook(page, 'frames').innerText(), `${frames} / ${frames}`);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
}
