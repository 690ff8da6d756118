// What is drawn can be chosen, at once, also on a picture that stands; and everything can be done from the keyboard.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import {
  hook, openBrowser, openId, openPage, pause, picture, repaint, seek, shownFrame, upload, waitDone, waitFrame, waitPlaying, waitShown,
} from './harness/page.mjs';
import { Service, fixture } from './harness/service.mjs';

let service;
let browser;
let page;
before(async () => {
  service = await Service.started();
  browser = await openBrowser();
  page = await openPage(browser, service);
  await upload(page, fixture('numbered.mp4'));
  await waitDone(page);
  await waitFrame(page, 1);
  await pause(page);
});
after(async () => {
  await browser?.close();
  await service?.stop();
});

const set = (name, value) =>
  hook(page, name).evaluate((slider, to) => {
    slider.value = String(to);
    slider.dispatchEvent(new Event('input', { bubbles: true }));
  }, value);

/** A frame with one circle and one triangle that both are to be seen at 0.5, and the score of the less certain one. */
async function findFrame() {
  const kinds = (event) => event.detections.filter(({ score }) => score >= 0.5).map(({ label }) => label).sort().join();
  const good = (await service.detections(await openId(page))).filter((event) => kinds(event) === 'circle,triangle');
  const least = (event) => Math.min(...event.detections.map(({ score }) => score).filter((score) => score >= 0.5));
  good.sort((a, b) => least(a) - least(b));
  assert.ok(good.length > 0 && least(good[0]) < 0.98, 'the detector is so good that no threshold can be tested');
  return { frame: good[0].frame, score: least(good[0]) };
}

/** A frame with both shapes on it, standing still. */
async function standAt(frame) {
  await pause(page);
  await seek(page, frame / 30 + 0.001);
  await waitShown(page, frame);
  await repaint(page);
}

test('labels, scores, threshold and classes act at once on a standing picture', async () => {
  const { frame, score } = await findFrame();
  await standAt(frame);
  await set('threshold', 0.5);
  const all = await picture(page);
  const different = new Set([all]);
  for (const name of ['show-labels', 'show-scores']) {
    await hook(page, name).uncheck();
    different.add(await picture(page));
  }
  assert.equal(different.size, 3, 'labels and scores are three pictures: both, scores alone, none');
  await hook(page, 'show-labels').check();
  different.add(await picture(page));
  assert.equal(different.size, 4);
  await hook(page, 'show-scores').check();
  assert.equal(await picture(page), all, 'back to what it was, on the very same picture');

  const above = (Math.floor(score * 100) + 1) / 100;
  await set('threshold', above);
  assert.equal(await page.locator('#threshold-value').innerText(), above.toFixed(2));
  const few = await picture(page);
  assert.notEqual(few, all);
  await set('threshold', 0.5);
  assert.equal(await picture(page), all);

  const chips = hook(page, 'classes').locator('.chip');
  const circle = chips.filter({ hasText: 'circle' }).locator('input');
  assert.equal(await chips.filter({ hasText: 'circle' }).locator('.number').innerText(), '1');
  await circle.uncheck();
  const without = await picture(page);
  assert.notEqual(without, all);
  await circle.check();
  assert.equal(await picture(page), all);
  assert.equal(await shownFrame(page), frame);
});

test('the threshold goes below the model’s own, down to what the server has kept', async () => {
  const least = await hook(page, 'threshold').evaluate((slider) => Number(slider.min));
  assert.ok(least <= 0.1 + 1e-9, `it ends at ${least}`);
  await set('threshold', least);
  await repaint(page);
  await set('threshold', 0.5);
});

test('keys play, pause and step', async () => {
  await standAt(30);
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('ArrowRight');
  await waitShown(page, 31);
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowLeft');
  await waitShown(page, 29);
  await page.keyboard.press('.');
  await waitShown(page, 30);
  await page.keyboard.press('k');
  await waitPlaying(page, true);
  await page.keyboard.press('k');
  await waitPlaying(page, false);
  await page.keyboard.press('Space');
  await waitPlaying(page, true);
  await page.keyboard.press('Space');
  await waitPlaying(page, false);

  // On the seek bar the arrows step by frames, and do not jump by what the browser thinks is a step.
  await standAt(10);
  await hook(page, 'seek').focus();
  await page.keyboard.press('ArrowRight');
  await waitShown(page, 11);
  await page.keyboard.press('End');
  await waitShown(page, 89);
  await page.keyboard.press('Home');
  await waitShown(page, 0);
  // On another slider they move that slider and nothing else.
  await hook(page, 'threshold').focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await hook(page, 'threshold').inputValue(), '0.51');
  await repaint(page);
  assert.equal(await shownFrame(page), 0);
  await set('threshold', 0.5);
});

test('Tab goes through every control, and each shows that it has the focus', async () => {
  await standAt(10);
  await page.evaluate(() => (document.activeElement.blur(), scrollTo(0, 0)));
  await page.locator('.brand').focus();
  const reached = new Map();
  for (let press = 0; press < 60; press += 1) {
    const { name, shows, label } = await page.evaluate(() => {
      const on = document.activeElement;
      if (on === document.body) return { name: 'past the end' };
      const outlined = (element) => getComputedStyle(element).outlineStyle !== 'none';
      const words = on.getAttribute('aria-label') || on.innerText || on.labels?.[0]?.innerText || on.title;
      return {
        name: on.dataset.testid || on.id || on.dataset.classId || on.className || on.getAttribute('href'),
        shows: outlined(on) || (on.parentElement.matches('.chip') && outlined(on.parentElement)),
        label: words?.trim(),
      };
    });
    if (reached.has(name) || name === 'past the end') break;
    reached.set(name, { shows, label });
    await page.keyboard.press('Tab');
  }
  const wanted = ['language', 'choose', 'sample', 'pause', 'back', 'forth', 'seek', 'threshold', 'show-labels', 'show-scores', 'save', 'save-format', 'delete'];
  for (const name of wanted) assert.ok(reached.has(name), `Tab does not reach ${name}: ${[...reached.keys()]}`);
  for (const [name, { shows, label }] of reached) {
    assert.ok(shows, `${name} does not show that it has the focus`);
    assert.ok(label, `${name} has no name for those who cannot see it`);
  }
  await hook(page, 'pause').focus();
  await page.keyboard.press('Enter');
  await waitPlaying(page, true);
  await page.keyboard.press('Space');
  await waitPlaying(page, false);
  assert.deepEqual(page.faults, []);
});
