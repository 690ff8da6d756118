// Several pictures at once, and classification: the gallery, the bars, and one file of results for all.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { makeClassifiers } from './harness/classifier.mjs';
import { calls, choose, lastCall, makePicture, openImages, rows, saved, send, sendable, set, task } from './harness/image.mjs';
import { hook, openBrowser, picture, repaint } from './harness/page.mjs';
import { Service, fixture } from './harness/service.mjs';

let service;
let browser;
let folder;
let classifiers;
let colours; // files, one of each colour
before(async () => {
  classifiers = await makeClassifiers(['colours', 'hues']);
  service = await Service.started(classifiers.flags);
  browser = await openBrowser();
  folder = await mkdtemp(join(tmpdir(), 'sightglass-many-'));
  colours = ['red', 'green', 'blue'].map((name) => join(folder, `${name}, "plain".png`));
  for (const [i, name] of ['red', 'lime', 'blue'].entries()) {
    makePicture(colours[i], ['-f', 'lavfi', '-i', `color=${name}:s=64x48`], 'format=rgb24');
  }
});
after(async () => {
  await browser?.close();
  await service?.stop();
  await classifiers?.remove();
  await rm(folder, { recursive: true, force: true });
});

const open = (options) => openImages(browser, service, options);

async function close(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

const tiles = (page) => page.locator('[data-testid=tile]');
const barWords = (page) => hook(page, 'bars').locator('li').evaluateAll((all) => all.map((bar) => bar.innerText.split(/\s+/)));

test('several pictures: each is sent once, two at a time, and shown large by a press', async () => {
  const page = await open();
  await page.evaluate(() => {
    const { fetch } = window;
    window.most = 0;
    let now = 0;
    window.fetch = async (...all) => {
      window.most = Math.max(window.most, (now += 1));
      try {
        return await fetch(...all);
      } finally {
        now -= 1;
      }
    };
  });
  const scenes = ['scene.jpg', 'scene.png', 'scene-exif6.jpg'].map(fixture);
  await choose(page, ...scenes, ...colours);
  assert.equal(await tiles(page).count(), 6);
  assert.match(await hook(page, 'send').innerText(), /6/);
  const steps = hook(page, 'sent').evaluate((words) => {
    window.steps = [];
    new MutationObserver(() => window.steps.push(words.textContent)).observe(words, { childList: true, characterData: true, subtree: true });
  });
  await steps;
  await send(page);
  assert.equal((await calls(page)).length, 6);
  assert.equal(await page.evaluate(() => window.most), 2);
  assert.deepEqual(await page.evaluate(() => window.steps), [0, 1, 2, 3, 4, 5, 6].map((done) => `${done} / 6`));
  const words = await tiles(page).evaluateAll((all) => all.map((tile) => tile.querySelector('.quiet').textContent));
  assert.deepEqual(words.slice(3), ['0 found', '0 found', '0 found']);
  assert.ok(words.slice(0, 3).every((text) => /^[6-9] found/.test(text)), words.join());
  const lines = () => tiles(page).first().locator('rect').count();
  const before = await lines();
  assert.equal(before, (await rows(page)).length);
  await set(page, 'threshold', 0.99);
  await repaint(page);
  assert.ok((await lines()) < before, 'the threshold is that of the tiles too');
  await set(page, 'threshold', 0.45);

  // A press, and the arrows.
  await tiles(page).nth(1).click();
  assert.equal(await page.locator('#name').innerText(), 'scene.png');
  await page.waitForFunction(() => document.querySelector('[data-testid=view]').dataset.frame === '1');
  const second = await picture(page);
  await tiles(page).nth(3).click();
  await page.waitForFunction(() => document.querySelector('[data-testid=view]').dataset.frame === '3');
  assert.deepEqual(await rows(page), []);
  assert.notEqual(await picture(page), second);
  await page.locator('#name').click(); // out of the gallery
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('ArrowLeft');
  assert.equal(await page.locator('#name').innerText(), 'scene-exif6.jpg');
  assert.equal(await tiles(page).nth(2).getAttribute('aria-current'), 'true');
  assert.equal((await calls(page)).length, 6, 'nothing is sent to look at it');

  // One file for all of them.
  const told = JSON.parse((await saved(page, 'save-json')).body);
  assert.equal(told.length, 6);
  assert.deepEqual(told.map(({ name }) => name).slice(0, 3), ['scene.jpg', 'scene.png', 'scene-exif6.jpg']);
  const { name, body } = await saved(page, 'save-csv');
  assert.equal(name, 'sightglass.csv');
  const found = told.flatMap(({ detections }) => detections);
  assert.equal(String(body).trim().split('\r\n').length, 1 + found.length);
  await close(page);
});

test('however many pictures there are, the pixels of one are kept', async () => {
  const page = await open({
    before: (own) =>
      own.addInitScript(() => {
        const { createImageBitmap } = window;
        const { close } = ImageBitmap.prototype;
        const held = new Set();
        const addresses = new Set();
        window.held = () => [held.size, addresses.size];
        window.most = 0;
        window.createImageBitmap = async (...all) => {
          const pixels = await createImageBitmap(...all);
          held.add(pixels);
          window.most = Math.max(window.most, held.size);
          return pixels;
        };
        ImageBitmap.prototype.close = function () {
          held.delete(this);
          close.call(this);
        };
        const { createObjectURL, revokeObjectURL } = URL;
        URL.createObjectURL = (bytes) => {
          const address = createObjectURL(bytes);
          addresses.add(address);
          return address;
        };
        URL.revokeObjectURL = (address) => {
          addresses.delete(address);
          revokeObjectURL(address);
        };
      }),
  });
  const files = Array.from({ length: 12 }, (_, i) => fixture(['scene.jpg', 'scene.png', 'scene-exif6.jpg'][i % 3]));
  await choose(page, ...files);
  await send(page);
  await tiles(page).nth(7).click();
  await page.waitForFunction(() => document.querySelector('[data-testid=view]').dataset.frame === '7');
  await page.waitForFunction(() => window.held().join() === '1,0');
  // The shown one, the one that comes after it, and two on their way to the server.
  assert.ok((await page.evaluate(() => window.most)) <= 5);
  assert.equal(await tiles(page).nth(11).locator('img').evaluate((image) => image.complete && image.naturalWidth > 0), true);
  await close(page);
});

test('one that fails does not stop the others, and the next press sends only that one', async () => {
  let failing = true;
  let posts = 0;
  const page = await open({
    before: (own) =>
      own.route('**/api/images?**', (route) => {
        posts += 1;
        if (posts !== 2 || !failing) return route.continue();
        failing = false;
        const problem = { type: 'about:blank', title: 'Unprocessable Content', status: 422, detail: 'This one is not liked.' };
        return route.fulfill({ status: 422, contentType: 'application/problem+json', body: JSON.stringify(problem) });
      }),
  });
  await choose(page, ...colours, fixture('scene.jpg'));
  await send(page);
  const failed = page.locator('[data-testid=tile].failed');
  assert.equal(await failed.count(), 1);
  assert.match(await failed.innerText(), /not liked/);
  assert.match(await page.locator('[data-testid=message][role=alert]').innerText(), /1 of 4.*not liked/s);
  assert.equal((await calls(page)).length, 4);
  const words = await tiles(page).evaluateAll((all) => all.filter((tile) => / found/.test(tile.textContent)).length);
  assert.equal(words, 3);
  await send(page);
  assert.equal((await calls(page)).length, 5);
  assert.equal(await failed.count(), 0);
  assert.equal(await hook(page, 'message').isVisible(), false);
  await send(page);
  assert.equal((await calls(page)).length, 9, 'all are there, so all are sent again');
  await close(page);
});

test('classification: bars on the same page, the same picture, nothing sent without a press', async () => {
  const page = await open();
  await page.evaluate(() => (window.mark = 'the same page'));
  await choose(page, colours[1]);
  await send(page);
  await task(page, 'classify');
  assert.equal(await page.locator('#name').innerText(), 'green, "plain".png');
  assert.ok(await hook(page, 'view').isVisible());
  assert.equal((await calls(page)).length, 1);
  assert.equal(await page.locator('#options').isVisible(), false);
  assert.equal(new URL(page.url()).searchParams.get('task'), 'classify');
  await send(page);
  const { query, answer } = await lastCall(page);
  assert.deepEqual(query, { task: 'classify', model: 'colours', output: 'json', top_k: '10' });
  assert.deepEqual(answer.classes.map(({ label }) => label)[0], 'green');
  const bars = await barWords(page);
  assert.deepEqual(bars.map(([label]) => label), answer.classes.map(({ label }) => label));
  for (const [i, { score }] of answer.classes.entries()) {
    assert.equal(bars[i][1], `${(100 * score).toFixed(1)}%`);
    assert.ok(Math.abs((await hook(page, 'bars').locator('progress').nth(i).evaluate((bar) => bar.value)) - score) < 1e-6);
  }
  assert.match(await hook(page, 'summary').innerText(), /^green, \d+%$/);
  const csv = String((await saved(page, 'save-csv')).body).replace('\uFEFF', '').split('\r\n');
  assert.equal(csv[0], 'name,label,class_id,score');
  assert.equal(csv[1], `"green, ""plain"".png",green,1,${answer.classes[0].score}`);
  assert.equal(JSON.parse((await saved(page, 'save-json')).body).classes.length, answer.classes.length);

  // Another model has not said this.
  await hook(page, 'model').selectOption('hues');
  assert.deepEqual(await barWords(page), []);
  await send(page);
  assert.equal((await lastCall(page)).query.model, 'hues');
  // There and back: both answers are kept.
  await task(page, 'detect');
  assert.equal(await hook(page, 'summary').innerText(), '0 found');
  await task(page, 'classify');
  assert.equal((await barWords(page))[0][0], 'green');
  assert.equal((await calls(page)).length, 3);
  assert.equal(await page.evaluate(() => window.mark), 'the same page');

  // All three at once, and by the server.
  await choose(page, ...colours);
  await send(page);
  const words = await tiles(page).evaluateAll((all) => all.map((tile) => tile.querySelector('.quiet').textContent.split(',')[0]));
  assert.deepEqual(words, ['red', 'green', 'blue']);
  await hook(page, 'drawn-by').selectOption('base64');
  await send(page);
  await page.waitForFunction(() => document.querySelector('[data-testid=served]').naturalWidth === 64);
  await close(page);
});

test('the tabs by the keyboard and by the address', async () => {
  const page = await open({ query: '?task=classify' });
  const [detect, classify] = ['detect', 'classify'].map((name) => page.locator(`#task-${name}`));
  assert.equal(await classify.getAttribute('aria-selected'), 'true');
  await classify.focus();
  await page.keyboard.press('ArrowLeft');
  assert.equal(await detect.getAttribute('aria-selected'), 'true');
  assert.equal(await detect.evaluate((tab) => tab === document.activeElement), true);
  assert.equal(await page.locator('#panel').getAttribute('aria-labelledby'), 'task-detect');
  assert.equal(new URL(page.url()).search, '');
  await close(page);
});
