// What can go wrong with a picture is said in words, in both languages; and photographs by the webcam.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { alert, openNumberedCamera } from './harness/camera.mjs';
import { calls, choose, lastCall, openImages, rows, send, sendable, task } from './harness/image.mjs';
import { hook, openBrowser } from './harness/page.mjs';
import { SHAPES, Service, fixture } from './harness/service.mjs';

let service;
let browser;
let folder;
let heic;
before(async () => {
  service = await Service.started(['--max-pixels', '100000', '--no-auth', '--model', SHAPES]);
  browser = await openBrowser();
  folder = await mkdtemp(join(tmpdir(), 'sightglass-trouble-'));
  heic = join(folder, 'IMG_1.HEIC');
  await writeFile(heic, Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('ftypheic\0\0\0\0mif1heic'), Buffer.alloc(500)]));
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

const give = (page, ...files) => page.locator('input[type=file]').setInputFiles(files);

const refuse = (status, body, contentType = 'application/problem+json') => (page) =>
  page.route('**/api/images?**', (route) => route.fulfill({ status, contentType, body }));

test('what is no picture is said by name before anything is sent', async () => {
  const page = await open();
  await give(page, fixture('text.mp4'));
  assert.match(await alert(page), /text\.mp4/);
  assert.equal(await hook(page, 'view').isVisible(), false);
  await give(page, heic);
  await page.waitForFunction(() => /HEIC/.test(document.querySelector('[data-testid=message] p').textContent));
  assert.match(await alert(page), /IMG_1\.HEIC.*JPEG/);
  // The pictures among them are taken all the same.
  await give(page, fixture('junk.mp4'), fixture('scene.jpg'), fixture('empty.mp4'), heic);
  await sendable(page);
  const words = await alert(page);
  for (const name of ['junk.mp4', 'empty.mp4', 'IMG_1.HEIC']) assert.ok(words.includes(name), words);
  assert.equal(await page.locator('#name').innerText(), 'scene.jpg');
  // And one that is there stays.
  await give(page, fixture('html.mp4'));
  await page.waitForFunction(() => /html\.mp4/.test(document.querySelector('[data-testid=message] p').textContent));
  assert.ok(await hook(page, 'view').isVisible());
  assert.deepEqual(await calls(page), []);
  await close(page);
});

test('what the server refuses is said in its words, or in Chinese', async () => {
  const page = await open();
  await choose(page, fixture('scene.jpg')); // 172800 pixels
  await send(page);
  assert.match(await alert(page), /100000/);
  assert.match(await hook(page, 'results').innerText(), /100000/);
  assert.ok(await hook(page, 'save-json').isDisabled());
  // A smaller one is taken, and the trouble is gone.
  await hook(page, 'long-side').selectOption('320');
  await send(page);
  assert.equal(await hook(page, 'message').isVisible(), false);
  assert.ok((await rows(page)).length > 3);
  await close(page);

  const chinese = await open({ query: '?lang=zh' });
  await choose(chinese, fixture('scene.jpg'));
  await send(chinese);
  const words = (await alert(chinese)).replace(/100000|480x360|--max-pixels/g, '');
  assert.doesNotMatch(words, /[a-z]{2}/i);
  assert.match(words, /\p{Script=Han}/u);
  await close(chinese);
});

test('a server that is away, and one that speaks in riddles', async () => {
  const page = await open();
  await choose(page, fixture('scene.jpg'));
  await hook(page, 'long-side').selectOption('320');
  await service.end();
  await send(page);
  assert.match(await alert(page), /does not answer/);
  await service.start();
  await send(page);
  assert.equal(await hook(page, 'message').isVisible(), false);
  assert.ok((await rows(page)).length > 3);
  await close(page);

  for (const [before, said] of [
    [refuse(200, '<html>', 'text/html'), /error \(200\)/],
    [refuse(200, '{"ok":true}', 'application/json'), /nothing that this page understands/],
    [refuse(502, '<h1>Bad Gateway</h1>', 'text/html'), /error \(502\)/],
    [refuse(429, '{"title":"Too Many Requests","status":429,"detail":"Too many: try again."}'), /Too many: try again/],
  ]) {
    const odd = await open({ before });
    await choose(odd, fixture('scene.jpg'));
    await send(odd);
    assert.match(await alert(odd), said);
    await close(odd);
  }
});

test('a server that was away when the page came is asked again for its models', async () => {
  const page = await open({ before: (own) => own.route('**/api/models', (route) => route.abort(), { times: 1 }) });
  assert.match(await alert(page), /does not answer/);
  await choose(page, fixture('scene.jpg'));
  assert.equal(await hook(page, 'message').isVisible(), false);
  await close(page);
});

test('where the browser keeps the webcam from the page, the page says why', async () => {
  const far = await openBrowser(['--host-resolver-rules=MAP camera.test 127.0.0.1']);
  try {
    const page = await openImages(far, { url: service.url.replace('127.0.0.1', 'camera.test') });
    assert.equal(await page.evaluate(() => isSecureContext), false);
    await hook(page, 'photo').click();
    assert.match(await alert(page), /HTTPS/);
    // Everything else works.
    await choose(page, fixture('scene.jpg'));
    await hook(page, 'long-side').selectOption('320');
    await send(page);
    assert.ok((await rows(page)).length > 3);
    await close(page);
  } finally {
    await far.close();
  }
});

test('without a classifier it says how to get one', async () => {
  const page = await open();
  await choose(page, fixture('scene.jpg'));
  assert.equal(await hook(page, 'none-served').isVisible(), false);
  await task(page, 'classify');
  assert.match(await hook(page, 'none-served').innerText(), /No classification model.*models import.*--model shapes --model/s);
  assert.ok(await hook(page, 'send').isDisabled());
  await task(page, 'detect');
  await sendable(page);
  await close(page);
});

test('a photograph by the webcam', async () => {
  const camera = await openNumberedCamera();
  try {
    const page = await openImages(camera.browser, service);
    await hook(page, 'photo').click();
    await hook(page, 'photo-take').click(); // when there is a picture
    await page.locator('#name', { hasText: /^photo-.*\.jpg$/ }).waitFor();
    assert.equal(await hook(page, 'photo-dialog').isVisible(), false);
    assert.equal(await page.evaluate(() => document.querySelector('#photo video').srcObject), null, 'the camera is let go');
    await sendable(page);
    await hook(page, 'long-side').selectOption('320');
    await send(page);
    assert.equal((await lastCall(page)).answer.width, 320);
    // Not taken after all.
    await hook(page, 'photo').click();
    await page.waitForFunction(() => document.querySelector('#photo video').srcObject);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !document.querySelector('#photo video').srcObject);
    await close(page);
  } finally {
    await camera.remove();
  }
  // No camera at all: in words, in the dialog.
  const page = await open({ permissions: ['camera'] });
  await hook(page, 'photo').click();
  await page.locator('#photo', { hasText: /No camera was found/ }).waitFor();
  assert.ok(await hook(page, 'photo-take').isDisabled());
  await hook(page, 'photo-close').click();
  await close(page);
});

test('on a phone the photograph is taken by the phone’s own program', async () => {
  // Only browsers of phones have the property.
  const before = (own) => own.addInitScript(() => Object.defineProperty(HTMLInputElement.prototype, 'capture', { value: '' }));
  const page = await open({ viewport: { width: 390, height: 760 }, hasTouch: true, isMobile: true, before });
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), hook(page, 'photo').click()]);
  assert.equal(await chooser.element().getAttribute('capture'), 'environment');
  await chooser.setFiles(fixture('scene.jpg'));
  await page.locator('#name', { hasText: 'scene.jpg' }).waitFor();
  // And files again.
  const [files] = await Promise.all([page.waitForEvent('filechooser'), hook(page, 'choose').click()]);
  assert.equal(await files.element().getAttribute('capture'), null);
  assert.ok(files.isMultiple());
  await close(page);
});
