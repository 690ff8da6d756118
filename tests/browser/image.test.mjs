// One picture: every way in, made smaller, sent once, its boxes where they belong, what is drawn chosen, results saved.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import {
  calls, canvasSize, choose, edges, isScene, lastCall, lineColour, makePicture, onCanvas, openImages, pixelsOf, rows, saved, sceneTruth, send,
  sendable, set,
} from './harness/image.mjs';
import { hook, openBrowser, picture, repaint } from './harness/page.mjs';
import { Service, fixture } from './harness/service.mjs';

const ZOOM = 8;

let service;
let browser;
let folder;
let truth;
let large; // the scene with sides eight times as long
before(async () => {
  service = await Service.started();
  browser = await openBrowser();
  folder = await mkdtemp(join(tmpdir(), 'sightglass-image-'));
  truth = await sceneTruth();
  large = join(folder, 'large scene.jpg');
  makePicture(large, ['-i', fixture('scene.png')], `scale=iw*${ZOOM}:-1`, '-q:v', '2');
});
after(async () => {
  await browser?.close();
  await service?.stop();
  await rm(folder, { recursive: true, force: true });
});

const open = (options) => openImages(browser, service, options);

async function close(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

/** Every box that the detector is sure of is on the canvas, in its colour, at the place that the server has said. */
async function checkBoxes(page, zoom) {
  await set(page, 'threshold', 0.7); // one box a shape: of two, one would be drawn over the other
  await hook(page, 'show-labels').uncheck();
  await hook(page, 'show-scores').uncheck();
  await repaint(page);
  const { answer } = await lastCall(page);
  const size = await canvasSize(page);
  const shown = answer.detections.filter(({ score }) => score >= 0.7);
  assert.equal(shown.length, truth.size);
  for (const { label, class_id: id, box } of shown) {
    const points = edges(box, zoom, size);
    assert.equal(await onCanvas(page, points, await lineColour(page, id)), 4, `the box of ${label}`);
  }
}

test('chosen: sent once, drawn where the server says, and in the table', async () => {
  const page = await open();
  assert.equal(await hook(page, 'view').isVisible(), false);
  await choose(page, fixture('scene.jpg'));
  assert.deepEqual(await calls(page), [], 'nothing is sent without a press');
  await send(page);
  const [call, ...others] = await calls(page);
  assert.deepEqual(others, []);
  assert.deepEqual({ ...call.query, threshold: Number(call.query.threshold) }, { task: 'detect', model: 'shapes', output: 'json', threshold: 0.1 });
  const good = call.answer.detections.filter(({ score }) => score >= 0.45);
  isScene(good, truth);
  const seen = await rows(page);
  assert.deepEqual(seen.map(([label]) => label), good.map(({ label }) => label));
  assert.deepEqual(seen.map(([, score]) => score), good.map(({ score }) => score.toFixed(2)));
  assert.equal(await hook(page, 'summary').innerText(), `${good.length} found`);
  assert.match(await hook(page, 'results').innerText(), /heart/);
  await checkBoxes(page, 1);
  await close(page);
});

test('dropped, pasted, and the sample', async () => {
  const page = await open();
  const body = [...(await readFile(fixture('scene.png')))];
  const drop = (names) =>
    page.evaluate(([all, files]) => {
      const carried = new DataTransfer();
      for (const name of files) carried.items.add(new File([new Uint8Array(all)], name, { type: 'image/png' }));
      for (const kind of ['dragenter', 'dragover', 'drop']) {
        document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true }));
      }
    }, [body, names]);
  await drop(['dropped.png']);
  await page.locator('#name', { hasText: 'dropped.png' }).waitFor();
  await sendable(page);
  await send(page);
  isScene((await lastCall(page)).answer.detections.filter(({ score }) => score >= 0.45), truth);

  await page.evaluate((all) => {
    const carried = new DataTransfer();
    carried.items.add(new File([new Uint8Array(all)], 'pasted.png', { type: 'image/png' }));
    document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: carried, bubbles: true }));
  }, body);
  await page.locator('#name', { hasText: 'pasted.png' }).waitFor();
  assert.deepEqual(await rows(page), [], 'what was found in the picture before is gone');
  assert.equal((await calls(page)).length, 1);

  await hook(page, 'sample').click();
  await page.locator('#name', { hasText: 'sample.jpg' }).waitFor();
  await sendable(page);
  await send(page);
  await close(page);
});

test('Ctrl+V pastes what was copied elsewhere', async () => {
  const page = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
  const body = [...(await readFile(fixture('shapes.jpg')))];
  await page.evaluate(async (bytes) => {
    const pixels = await createImageBitmap(new Blob([new Uint8Array(bytes)], { type: 'image/jpeg' }));
    const canvas = new OffscreenCanvas(pixels.width, pixels.height);
    canvas.getContext('2d').drawImage(pixels, 0, 0);
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': await canvas.convertToBlob() })]);
  }, body);
  await page.keyboard.press('Control+V');
  await sendable(page);
  await send(page);
  assert.ok((await rows(page)).length >= 7);
  await page.evaluate(() => navigator.clipboard.writeText('words'));
  await page.keyboard.press('Control+V');
  assert.match(await page.locator('[data-testid=message][role=alert]').innerText(), /clipboard/);
  await close(page);
});

test('a large picture is made smaller before it is sent, and its boxes are where they are in the large one', async () => {
  const page = await open();
  await choose(page, large);
  const weight = () => page.waitForFunction(() => document.querySelector('[data-testid=bytes-after]').textContent);
  await weight();
  assert.match(await hook(page, 'bytes-before').innerText(), /^3840 × 2880, /);
  assert.match(await hook(page, 'bytes-after').innerText(), /^1280 × 960, /);
  await send(page);
  const first = await lastCall(page);
  assert.equal(first.answer.width, 1280);
  assert.equal(first.type, 'image/jpeg');
  isScene(first.answer.detections.filter(({ score }) => score >= 0.45), truth, 1280 / 480);
  // The canvas is at most 1920 wide.
  assert.deepEqual(await canvasSize(page), { width: 1920, height: 1440 });
  await checkBoxes(page, 1.5);

  // Another size and another quality: other bytes, as they are told.
  const told = async () => {
    const words = await hook(page, 'bytes-after').innerText();
    const [, number, unit] = /([\d.]+) (B|KB|MB)$/.exec(words);
    return Number(number) * { B: 1, KB: 1e3, MB: 1e6 }[unit];
  };
  const changed = async (act) => {
    const old = await hook(page, 'bytes-after').innerText();
    await act();
    await page.waitForFunction((words) => document.querySelector('[data-testid=bytes-after]').textContent !== words, old);
  };
  await changed(() => set(page, 'quality', 40));
  await send(page);
  const second = await lastCall(page);
  assert.ok(second.bytes < first.bytes);
  assert.ok(Math.abs((await told()) - second.bytes) <= second.bytes / 50 + 500, 'the bytes that are told are those that were sent');
  await changed(() => hook(page, 'long-side').selectOption('640'));
  await send(page);
  const third = await lastCall(page);
  assert.equal(third.answer.width, 640);
  assert.ok(third.bytes < second.bytes);
  // As it is: the file itself.
  await changed(() => hook(page, 'long-side').selectOption('0'));
  assert.ok(await hook(page, 'quality').isDisabled());
  await send(page);
  const file = await readFile(large);
  const whole = await lastCall(page);
  assert.equal(whole.bytes, file.length);
  assert.equal(whole.answer.width, 3840);
  await close(page);
});

test('a picture that lies on its side is upright everywhere', async () => {
  const page = await open();
  for (const side of ['1280', '320', '0']) {
    await choose(page, fixture('scene-exif6.jpg'));
    await hook(page, 'long-side').selectOption(side);
    await send(page);
    const { answer } = await lastCall(page);
    assert.ok(answer.width > answer.height);
    isScene(answer.detections.filter(({ score }) => score >= 0.3), truth, answer.width / 480);
    assert.deepEqual(await canvasSize(page), { width: 480, height: 360 });
  }
  assert.match(await hook(page, 'bytes-before').innerText(), /^480 × 360, /);
  await close(page);
});

test('one press is one call, however it is pressed', async () => {
  const page = await open();
  await choose(page, fixture('scene.jpg'));
  const button = hook(page, 'send');
  service.freeze();
  try {
    await button.dblclick();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Space');
    assert.ok(await button.isDisabled(), 'it waits');
    await button.evaluate((element) => element.click());
    assert.ok(await hook(page, 'choose').isDisabled());
    assert.ok(await hook(page, 'send-progress').isVisible());
  } finally {
    service.thaw();
  }
  await sendable(page);
  assert.equal((await calls(page)).length, 1);
  await button.focus();
  await page.keyboard.press('Enter');
  await sendable(page);
  await page.waitForFunction(() => window.calls.length === 2);
  await close(page);
});

test('who does not want to wait any longer stops it', async () => {
  const page = await open();
  await choose(page, fixture('scene.jpg'));
  service.freeze();
  try {
    await hook(page, 'send').click();
    await hook(page, 'stop').click();
    await sendable(page);
  } finally {
    service.thaw();
  }
  assert.equal(await hook(page, 'message').isVisible(), false);
  await send(page);
  assert.ok((await rows(page)).length >= 6);
  await close(page);
});

test('labels, scores, threshold, classes and size act at once, and nothing is sent for it', async () => {
  const page = await open();
  await choose(page, fixture('scene.jpg'));
  await send(page);
  const all = await picture(page);
  const marks = new Set([all]);
  for (const name of ['show-labels', 'show-scores']) {
    await hook(page, name).uncheck();
    await repaint(page);
    marks.add(await picture(page));
  }
  assert.equal(marks.size, 3);
  for (const name of ['show-labels', 'show-scores']) await hook(page, name).check();
  await repaint(page);
  assert.equal(await picture(page), all);

  const { answer } = await lastCall(page);
  const above = (threshold) => answer.detections.filter(({ score }) => score >= threshold - 1e-6).length;
  for (const threshold of [0.1, 0.45, 0.99]) {
    await set(page, 'threshold', threshold);
    await repaint(page);
    assert.equal((await rows(page)).length, above(threshold));
  }
  assert.ok(above(0.1) > above(0.99), 'the detector is so good that no threshold can be tested');
  await set(page, 'threshold', 0.45);
  await hook(page, 'classes').locator('.chip', { hasText: 'heart' }).locator('input').uncheck();
  await repaint(page);
  assert.ok(!(await rows(page)).some(([label]) => label === 'heart'));
  assert.notEqual(await picture(page), all);

  const width = () => hook(page, 'view').evaluate((canvas) => canvas.getBoundingClientRect().width);
  const usual = await width();
  await set(page, 'size', 50);
  assert.ok(Math.abs((await width()) - usual / 2) < 1);
  await set(page, 'size', 200);
  assert.ok(Math.abs((await width()) - usual * 2) < 1);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 1280, 'the picture scrolls, not the page');
  assert.equal((await calls(page)).length, 1);
  await close(page);
});

test('JSON, CSV and the picture hold what is shown, in pixels of the file', async () => {
  const page = await open();
  await choose(page, large);
  await send(page);
  const { answer } = await lastCall(page);
  const json = await saved(page, 'save-json');
  assert.equal(json.name, 'large scene.json');
  const told = JSON.parse(json.body);
  assert.deepEqual([told.name, told.width, told.height, told.model], ['large scene.jpg', 3840, 2880, 'shapes']);
  isScene(told.detections, truth, ZOOM);
  for (const [i, { box }] of told.detections.entries()) {
    box.forEach((value, k) => assert.ok(Math.abs(value - answer.detections[i].box[k] * 3) < 0.01));
  }

  const csv = await saved(page, 'save-csv');
  assert.equal(csv.name, 'large scene.csv');
  const [head, ...lines] = String(csv.body).replace('\uFEFF', '').trim().split('\r\n');
  assert.equal(head, 'name,label,class_id,score,x,y,width,height');
  const fields = ({ label, class_id: id, score, box }) => ['large scene.jpg', label, id, score, ...box].join(',');
  assert.deepEqual(lines, told.detections.map(fields));

  const jpeg = await saved(page, 'save-jpeg');
  assert.equal(jpeg.name, 'large scene-boxes.jpg');
  const file = join(folder, 'saved.jpg');
  await writeFile(file, jpeg.body);
  const drawn = pixelsOf(file);
  const plain = pixelsOf(large);
  assert.deepEqual([drawn.width, drawn.height], [3840, 2880]);
  for (const { label, class_id: id, box } of told.detections.filter(({ score }) => score >= 0.7)) {
    const colour = await lineColour(page, id);
    const inside = edges(box, 1, drawn).map(([x, y], i) => [x + [2, -2, 0, 0][i], y + [0, 0, 2, -2][i]]);
    for (const [x, y] of inside) {
      const off = drawn.at(x, y).map((value, i) => Math.abs(value - colour[i]));
      assert.ok(Math.max(...off) < 60, `${label} at ${x},${y}: ${drawn.at(x, y)} is not ${colour}`);
    }
  }
  const corner = drawn.at(3800, 2860).map((value, i) => Math.abs(value - plain.at(3800, 2860)[i]));
  assert.ok(Math.max(...corner) < 12, 'the picture itself is as it was');
  await close(page);
});

for (const output of ['base64', 'url']) {
  test(`the server draws: ${output}`, async () => {
    const page = await open();
    await choose(page, fixture('scene.jpg'));
    await hook(page, 'drawn-by').selectOption(output);
    await set(page, 'threshold', 0.6);
    await hook(page, 'show-scores').uncheck();
    await send(page);
    const { query, answer } = await lastCall(page);
    assert.deepEqual(query, { task: 'detect', model: 'shapes', output, threshold: '0.6', labels: 'true', scores: 'false' });
    const served = hook(page, 'served');
    await page.waitForFunction(() => document.querySelector('[data-testid=served]').naturalWidth === 480);
    assert.ok(await served.isVisible());
    assert.equal(await hook(page, 'view').isVisible(), false);
    assert.equal((await rows(page)).length, answer.detections.length);
    // What is saved is the server's picture.
    const { body } = await saved(page, 'save-jpeg');
    const bytes = answer.image ? Buffer.from(answer.image.split(',')[1], 'base64') : Buffer.from(await (await fetch(new URL(answer.url, service.url))).arrayBuffer());
    assert.ok(body.equals(bytes));
    // Drawn here again.
    await hook(page, 'drawn-by').selectOption('json');
    await send(page);
    assert.ok(await hook(page, 'view').isVisible());
    assert.equal(await served.isVisible(), false);
    await close(page);
  });
}

test('everything can be reached by the keyboard, and has a name', async () => {
  const page = await open();
  await choose(page, fixture('scene.jpg'), fixture('scene.png'));
  await send(page);
  await page.keyboard.press('Tab'); // from the mouse to the keyboard, or the browser shows no focus
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
  const wanted = [
    'language', 'task-detect', 'choose', 'photo', 'sample', 'send', 'size', 'full', 'tile', 'save-jpeg', 'save-csv', 'save-json',
    'long-side', 'quality', 'drawn-by', 'threshold', 'show-labels', 'show-scores',
  ];
  for (const name of wanted) assert.ok(reached.has(name), `Tab does not reach ${name}: ${[...reached.keys()]}`);
  for (const [name, { shows, label }] of reached) {
    assert.ok(shows, `${name} does not show that it has the focus`);
    assert.ok(label, `${name} has no name for those who cannot see it`);
  }
  await close(page);
});
