// While the server works: pause and play, waiting at the last detected frame, and several who look on.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { LOOP, makeLong } from './harness/long.mjs';
import { check, drawn, record } from './harness/numbered.mjs';
import {
  framesDone, hook, isPlaying, openBrowser, openId, openPage, pause, picture, repaint, seek, shownFrame, thresholdOf, upload,
  waitDone, waitFrame, waitFramesDone, waitShown, waitState,
} from './harness/page.mjs';
import { Service } from './harness/service.mjs';

const FRAMES = 10 * LOOP;
const numberOf = (frame) => frame % LOOP;

let service;
let browser;
let long;
before(async () => {
  long = await makeLong(FRAMES / LOOP, ['long.mp4', 'long.avi']);
  service = await Service.started();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await service?.stop();
  await long?.remove();
});

/** Ends the work on the open video and takes it away, so that the next test has the machine for itself. */
async function finish(page, id) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
  await fetch(new URL(`/api/videos/${id}`, service.url), { method: 'DELETE' });
}

test('pause holds the picture and its boxes while the server goes on, and play goes on from there', async () => {
  const page = await openPage(browser, service);
  await record(page);
  await upload(page, long.files[0]);
  const id = await openId(page);
  await waitFrame(page, 10);
  await pause(page);
  const held = await picture(page);
  const at = await shownFrame(page);
  const done = await framesDone(page);
  assert.ok(done < FRAMES - 60, 'the work was over before anything could be tested');
  await waitFramesDone(page, done + 40);
  await repaint(page);
  assert.equal(await picture(page), held, 'the picture changed in pause');
  assert.equal(await hook(page, 'pause').innerText(), 'Play');
  await drawn(page);

  await hook(page, 'pause').click();
  await waitFrame(page, at + 30);
  const seen = (await drawn(page)).map(({ frame }) => frame);
  assert.equal(await hook(page, 'pause').innerText(), 'Pause');
  const next = seen.find((frame) => frame !== at);
  assert.ok(next > at && next < at + 20, `after ${at} came ${next}`);
  await finish(page, id);
});

for (const kind of [0, 1]) {
  const who = ['the browser', 'the server'][kind];
  test(`the picture waits at the last detected frame and goes on by itself: pictures from ${who}`, async () => {
    const page = await openPage(browser, service);
    await record(page);
    await upload(page, long.files[kind]);
    const id = await openId(page);
    await waitFrame(page, 1);
    service.freeze();
    const known = await framesDoneAtRest(page);
    assert.ok(known < FRAMES - 90, 'the work was over before anything could be tested');
    // From the server no picture comes while it stands; a few are here already.
    if (kind === 0) {
      await seek(page, Math.max(0, (known - 20) / 30));
      await waitFrame(page, known - 1);
    }
    await page.waitForFunction(() => /Waiting/.test(document.querySelector('[data-testid=pill]:not([hidden])')?.textContent));
    const last = await shownFrame(page);
    assert.ok(last < known);
    assert.ok(await isPlaying(page), 'it says that it stands, but it waits');
    const held = await picture(page);
    await repaint(page);
    assert.equal(await picture(page), held);

    service.thaw();
    await waitFrame(page, last + 40);
    await pause(page);
    const drawings = await drawn(page);
    await waitDone(page);
    check(drawings, await service.detections(id), await thresholdOf(page), numberOf);
    await finish(page, id);
  });
}

/** The number of detected frames once it has stood still for a while: a frozen server's last words have then arrived. */
async function framesDoneAtRest(page) {
  await page.evaluate(() => (window.rest = { words: '', since: 0 }));
  await page.waitForFunction(() => {
    const words = document.querySelector('[data-testid=frames]').textContent;
    if (words !== window.rest.words) window.rest = { words, since: performance.now() };
    return performance.now() - window.rest.since > 700;
  });
  return framesDone(page);
}

test('one who comes in the middle and one who comes after the end see everything', async () => {
  const first = await openPage(browser, service);
  await record(first);
  await upload(first, long.files[0]);
  const id = await openId(first);
  await waitFramesDone(first, 30);
  const second = await openPage(browser, service, { path: `/?video=${id}`, before: recordEarly });
  await waitFrame(second, 20);
  assert.notEqual(await hook(second, 'state').getAttribute('data-state'), 'failed');
  await Promise.all([waitDone(first), waitDone(second)]);
  for (const page of [first, second]) {
    await waitFramesDone(page, FRAMES);
    await pause(page);
  }
  const third = await openPage(browser, service, { path: `/?video=${id}`, before: recordEarly });
  await waitFrame(third, 20);
  await waitFramesDone(third, FRAMES);
  await pause(third);
  const events = await service.detections(id);
  assert.equal(events.length, FRAMES);
  for (const page of [first, second, third]) {
    check(await drawn(page), events, await thresholdOf(page), numberOf);
    // To a place far behind what it has seen: all that was found before it came is there.
    await seek(page, events[17].time + 0.001);
    await waitShown(page, 17);
    await seek(page, events[FRAMES - 2].time + 0.001);
    await waitShown(page, FRAMES - 2);
    check(await drawn(page), events, await thresholdOf(page), numberOf);
  }
  assert.deepEqual([...second.faults, ...third.faults], []);
  await Promise.all([second.context().close(), third.context().close()]);
  await finish(first, id);
});

// The recorder has to be in the page before the video that is in the address is opened.
async function recordEarly(page) {
  await page.route('**/api/videos/*', async (route) => {
    if (!page.recording && route.request().method() === 'GET') {
      page.recording = true;
      await record(page);
    }
    await route.continue();
  });
}

test('stop ends the work, what was found stays, and try again begins anew', async () => {
  const page = await openPage(browser, service);
  await upload(page, long.files[0]);
  const id = await openId(page);
  await waitFrame(page, 5);
  await hook(page, 'stop').click();
  await waitState(page, 'cancelled');
  const { frames_done: kept } = await service.json(`/api/videos/${id}`);
  assert.ok(kept > 0 && kept < FRAMES);
  assert.ok(await hook(page, 'stop').isHidden());
  assert.ok(await hook(page, 'save').isDisabled());
  await hook(page, 'retry').click();
  await waitDone(page);
  await waitFramesDone(page, FRAMES);
  assert.ok(await hook(page, 'save').isEnabled());
  await finish(page, id);
});
