// Earlier videos: they survive a reload and a restart, open again and can be deleted; and a server that goes away comes back.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { LOOP, makeLong } from './harness/long.mjs';
import { check, drawn, record } from './harness/numbered.mjs';
import {
  hook, openBrowser, openId, openPage, pause, thresholdOf, upload, waitDone, waitFrame, waitFramesDone,
} from './harness/page.mjs';
import { Service, fixture } from './harness/service.mjs';

const FRAMES = 10 * LOOP;

let service;
let browser;
let long;
before(async () => {
  long = await makeLong(FRAMES / LOOP, ['long.mp4']);
  service = await Service.started();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await service?.stop();
  await long?.remove();
});

const rows = (page) => hook(page, 'videos').locator('li');
const names = (page) => hook(page, 'videos').locator('li .open').allInnerTexts();
const waitRows = (page, count) =>
  page.waitForFunction((n) => document.querySelectorAll('[data-testid=videos] li').length === n, count);

test('the list survives reload and restart, opens and deletes', async () => {
  const page = await openPage(browser, service);
  assert.ok(await page.locator('sg-videos .none').isVisible());
  await upload(page, fixture('numbered.mp4'));
  const first = await openId(page);
  await waitDone(page);
  await upload(page, fixture('numbered-vfr.mp4'));
  await hook(page, 'upload-open').click(); // what is open is not replaced
  await page.waitForFunction((id) => new URLSearchParams(location.search).get('video') !== id, first);
  await waitDone(page);
  await waitRows(page, 2);
  assert.deepEqual(await names(page), ['numbered-vfr.mp4', 'numbered.mp4']);

  // The open one is open again after a reload, and the list is there.
  await page.reload();
  await waitFrame(page, 1);
  assert.equal(await page.locator('#name').innerText(), 'numbered-vfr.mp4');
  await waitRows(page, 2);

  await service.end('SIGTERM');
  await service.start();
  await page.goto(service.url);
  await waitRows(page, 2);
  await rows(page).nth(1).locator('.open').click();
  await waitFrame(page, 1);
  assert.equal(await openId(page), first);
  await waitDone(page);
  assert.equal(await hook(page, 'frames').innerText(), '90 / 90');
  assert.equal(await rows(page).nth(1).getAttribute('aria-current'), 'true');

  // Deleting is asked for twice; Escape keeps.
  await rows(page).nth(0).locator('[data-testid=delete]').click();
  await page.keyboard.press('Escape');
  assert.equal(await rows(page).count(), 2);
  assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), 'delete');
  await rows(page).nth(1).locator('[data-testid=delete]').click();
  await hook(page, 'delete-sure').click();
  await waitRows(page, 1);
  // It was the open one.
  await page.waitForFunction(() => document.getElementById('work').hidden);
  assert.equal((await fetch(new URL(`/api/videos/${first}`, service.url))).status, 404);
  assert.ok(!page.url().includes(first));

  await page.goto(new URL(`/?video=${first}`, service.url).href);
  await page.locator('[role=alert]').waitFor();
  assert.match(await page.locator('[role=alert]').innerText(), /not here any more/);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('a video that is deleted elsewhere is closed with a word', async () => {
  const page = await openPage(browser, service);
  await upload(page, long.files[0]);
  const id = await openId(page);
  await waitFrame(page, 1);
  await fetch(new URL(`/api/videos/${id}`, service.url), { method: 'DELETE' });
  await page.locator('[role=alert]').waitFor();
  await page.waitForFunction(() => document.getElementById('work').hidden);
  await page.waitForFunction(() => /not here any more/.test(document.querySelector('[role=alert]')?.textContent));
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

for (const signal of ['SIGKILL', 'SIGTERM']) {
  test(`the server goes away during the work (${signal}) and comes back`, async () => {
    const page = await openPage(browser, service);
    await record(page);
    await upload(page, long.files[0]);
    const id = await openId(page);
    await waitFramesDone(page, 60);
    await service.end(signal);
    await page.locator('[role=alert]').waitFor();
    assert.match(await page.locator('[role=alert]').innerText(), /connection|does not answer/);
    // What asks the server says so in words, and the page is not broken by it.
    await hook(page, 'sample').click();
    await page.waitForFunction(() => /does not answer/.test(document.querySelector('[role=alert]')?.textContent));

    await service.start();
    await waitDone(page);
    await waitFramesDone(page, FRAMES);
    await waitFrame(page, 90);
    await pause(page);
    const events = await service.detections(id);
    assert.equal(events.length, FRAMES);
    check(await drawn(page), events, await thresholdOf(page), (frame) => frame % LOOP);
    await hook(page, 'sample').click();
    await page.waitForFunction(() => document.getElementById('name').textContent === 'sample.mp4');
    await page.waitForFunction(() => document.querySelector('sg-message').hidden);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
}

test('the word of a lost connection goes away by itself', async () => {
  const page = await openPage(browser, service);
  await upload(page, long.files[0]);
  await waitFramesDone(page, 30);
  await service.end();
  await page.locator('[role=alert]').waitFor();
  await service.start();
  await page.waitForFunction(() => document.querySelector('sg-message').hidden);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

const opened = (page) => page.evaluate(() => document.querySelector('[data-testid=view]').checkVisibility() && document.getElementById('name').textContent);
const waitOpened = (page, name) =>
  page.waitForFunction((wanted) => {
    const isOpen = document.querySelector('[data-testid=view]').checkVisibility();
    return wanted ? isOpen && document.getElementById('name').textContent === wanted : !isOpen;
  }, name);

test('Back and Forward go through what was open, and the address of each comes back to it', async () => {
  for (const { id } of (await service.json('/api/videos')).items) await fetch(new URL(`/api/videos/${id}`, service.url), { method: 'DELETE' });
  const page = await openPage(browser, service);
  await upload(page, fixture('numbered.mp4'), fixture('numbered-odd.mp4'));
  await waitOpened(page, 'numbered.mp4');
  const first = page.url();
  await waitRows(page, 2);
  await hook(page, 'videos').locator('.open', { hasText: 'numbered-odd.mp4' }).click();
  await waitOpened(page, 'numbered-odd.mp4');
  assert.notEqual(page.url(), first);

  await page.goBack();
  await waitOpened(page, 'numbered.mp4');
  await waitFrame(page, 1);
  assert.equal(page.url(), first);
  await page.goBack();
  await waitOpened(page, null);
  assert.ok(await page.locator('.hero').isVisible());
  assert.ok(!page.url().includes('video='));
  await page.goForward();
  await waitOpened(page, 'numbered.mp4');
  await page.goForward();
  await waitOpened(page, 'numbered-odd.mp4');
  // The logo and "Videos" lead to the start, too, and Back from there.
  await page.locator('nav a[href="/"]').click();
  await waitOpened(page, null);
  await page.goBack();
  await waitOpened(page, 'numbered-odd.mp4');

  await page.goto(first);
  await waitOpened(page, 'numbered.mp4');
  // One that was deleted leaves no entry that opens nothing.
  await hook(page, 'videos').locator('li[aria-current] [data-testid=delete]').click();
  await hook(page, 'delete-sure').click();
  await waitOpened(page, null);
  assert.ok(!page.url().includes('video='));
  assert.equal(await opened(page), false);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('a button of the video that is pressed when none is open does nothing', async () => {
  const page = await openPage(browser, service);
  await page.evaluate(() => {
    document.getElementById('stop').click();
    document.getElementById('retry').click();
  });
  await page.waitForLoadState('networkidle');
  assert.ok(await hook(page, 'message').isHidden());
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('the columns of the list line up, also where a row has more buttons', async () => {
  const page = await openPage(browser, service);
  await upload(page, long.files[0]);
  await waitFramesDone(page, 5);
  await hook(page, 'stop').click();
  await page.locator('[data-testid=videos] [data-state=cancelled]').waitFor();
  await upload(page, fixture('numbered.mp4'));
  await page.waitForFunction(() => [...document.querySelectorAll('[data-testid=videos] .badge')].some(({ dataset }) => dataset.state === 'done'));
  const lefts = (selector) =>
    page.evaluate((what) => [...document.querySelectorAll(`[data-testid=videos] li ${what}`)].map((one) => Math.round(one.getBoundingClientRect().left)), selector);
  const line = async () => {
    for (const what of ['.badge', '.facts']) {
      const all = await lefts(what);
      assert.ok(all.length >= 2);
      assert.equal(new Set(all).size, 1, `${what}: ${all}`);
    }
  };
  await line();
  await hook(page, 'videos').locator('[data-testid=delete]').first().click();
  await hook(page, 'delete-sure').waitFor();
  await line();
  // What voice control hears is what can be read (WCAG 2.5.3).
  await page.keyboard.press('Escape');
  const retry = hook(page, 'videos').locator('li', { hasText: 'long.mp4' }).getByRole('button', { name: /^Try again/ });
  assert.equal(await retry.getAttribute('aria-label'), 'Try again: long.mp4');
  assert.deepEqual(page.faults, []);
  await page.context().close();
});
