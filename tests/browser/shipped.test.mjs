// What a visitor sees who has nothing at hand: the samples, and what the models that ship find on them.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { hook, openBrowser, openPage, waitDone, waitFrame } from './harness/page.mjs';
import { SHIPPED, Service } from './harness/service.mjs';

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

test('people and a cat are found on the sample video', async () => {
  const page = await openPage(browser, service);
  await hook(page, 'sample').click();
  await waitFrame(page, 3);
  await waitDone(page);
  const chips = await hook(page, 'classes').locator('.chip').allInnerTexts();
  for (const label of ['person', 'cat']) assert.ok(chips.some((chip) => chip.includes(label)), `${label}: ${chips}`);
  const [{ id }] = (await service.json('/api/videos')).items;
  const frames = await service.detections(id);
  const found = frames.filter(({ detections }) => detections.length > 0).length;
  assert.ok(found > frames.length / 2, `something is found on ${found} of ${frames.length} frames`);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('a person or a cat is found in the sample picture, and it has a class', async () => {
  for (const task of ['detect', 'classify']) {
    const page = await openPage(browser, service, { path: `/image?task=${task}` });
    await hook(page, 'sample').click();
    await page.locator('[data-testid=send]:enabled').click();
    if (task === 'detect') {
      assert.match(await hook(page, 'table').locator('tbody tr').first().innerText(), /person|cat/);
    } else {
      await hook(page, 'results').locator('.bars > *').nth(9).waitFor();
    }
    assert.deepEqual(page.faults, []);
    await page.context().close();
  }
});
