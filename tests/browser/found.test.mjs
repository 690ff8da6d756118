// What the page says was found, and how far it is: chips of classes that pass the threshold, and numbers of long videos.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { hook, openBrowser, openId, openPage, pause, repaint, upload, waitDone, waitFrame } from './harness/page.mjs';
import { SHIPPED, Service, fixture } from './harness/service.mjs';

let service;
let browser;
before(async () => {
  service = await Service.started(SHIPPED);
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await service?.stop();
});

const set = (page, value) =>
  hook(page, 'threshold').evaluate((slider, to) => {
    slider.value = String(to);
    slider.dispatchEvent(new Event('input', { bubbles: true }));
  }, value);

const chips = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('[data-testid=classes] .chip')].filter((chip) => chip.checkVisibility()).map((chip) => chip.children[2].textContent),
  );

test('there is a chip for each class that was found at the threshold, and for no other', async () => {
  const page = await openPage(browser, service);
  await hook(page, 'sample').click();
  const id = await openId(page);
  await waitDone(page);
  await waitFrame(page, 1);
  await pause(page);
  const best = new Map();
  for (const { detections } of await service.detections(id)) {
    for (const { label, class_id: number, score } of detections) {
      if (!(best.get(label)?.score >= score)) best.set(label, { number, score });
    }
  }
  const wanted = (threshold) =>
    [...best].filter(([, { score }]) => score >= threshold).sort(([, a], [, b]) => a.number - b.number).map(([label]) => label);
  // What the server keeps below the threshold is no find. The slider's steps are hundredths.
  const usual = await hook(page, 'threshold').evaluate((slider) => Number(slider.value));
  const least = await hook(page, 'threshold').evaluate((slider) => Number(slider.min));
  assert.deepEqual(await chips(page), wanted(usual), 'as it was opened');
  const worst = Math.min(...[...best.values()].map(({ score }) => score));
  const between = (Math.floor(worst * 100) + 1) / 100; // one class at least is found below this alone
  assert.ok(wanted(between).length < wanted(least).length && wanted(between).length > 0, JSON.stringify([...best]));
  for (const threshold of [least, between, usual, 0.99]) {
    await set(page, threshold);
    await repaint(page);
    assert.deepEqual(await chips(page), wanted(threshold), `at ${threshold}`);
    const none = page.locator('[data-testid=classes] > p');
    assert.equal(await none.isVisible(), wanted(threshold).length === 0);
  }
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('the numbers of a video of an hour and more stand apart, and are numbers for a program', async () => {
  const page = await openPage(browser, service);
  await upload(page, fixture('numbered.mp4'));
  const id = await openId(page);
  await waitDone(page);
  const video = await service.json(`/api/videos/${id}`);
  // As if it were so long: the same server, told of in other numbers.
  const long = { ...video, frames_total: 1_080_000, frames_done: 1_079_999, state: 'running', detect_fps: 30 };
  await page.routeWebSocket(/\/events/, (socket) => socket.send(JSON.stringify({ type: 'status', video: long })));
  await page.route(`**/api/videos/${id}`, (route) => route.fulfill({ json: long }));
  await page.goto(new URL(`/?video=${id}`, service.url).href);
  await page.waitForFunction(() => document.querySelector('[data-testid=frames]').textContent === '1079999 / 1080000');
  for (const [width, height] of [[1280, 800], [901, 700], [390, 844]]) {
    await page.setViewportSize({ width, height });
    await repaint(page);
    const { frames, left, groups, card } = await page.evaluate(() => {
      const rect = (element) => element.getBoundingClientRect().toJSON();
      const all = document.querySelector('[data-testid=frames]');
      return {
        frames: rect(all),
        left: rect(document.querySelector('[data-testid=left]')),
        groups: [...all.querySelectorAll('.group')].map((group) => parseFloat(getComputedStyle(group).marginLeft)),
        card: rect(document.querySelector('.meters')),
      };
    });
    const apart = frames.right <= left.left || left.top >= frames.bottom;
    assert.ok(apart, `at ${width}: ${JSON.stringify([frames, left])}`);
    assert.ok(frames.right <= card.right, 'it leaves its card');
    assert.ok(groups.length === 4 && groups.every((gap) => gap > 1), `no gaps between thousands: ${groups}`);
  }
  assert.deepEqual(page.faults, []);
  await page.context().close();
});
