// From a file to an open video: progress, cancelling, dropping, the sample, and files that are no videos. Several files and
// broken connections: queue.test.mjs.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, test } from 'node:test';

import { hook, openBrowser, openId, openPage, upload, waitDone, waitFrame } from './harness/page.mjs';
import { Service, fixture } from './harness/service.mjs';

let service;
let browser;
let page;
before(async () => {
  service = await Service.started();
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await service?.stop();
});
afterEach(async () => {
  const faults = page?.faults;
  await page?.context().close();
  page = null;
  for (const { id } of await videos()) await fetch(new URL(`/api/videos/${id}`, service.url), { method: 'DELETE' });
  assert.deepEqual(faults, []);
});

const videos = async () => (await service.json('/api/videos')).items;
const alert = () => page.locator('[data-testid=message][role=alert]');
const SHAPES = fixture('shapes.mp4');

/** The way to the server as slow as a phone's: bytes a second. */
async function slowDown(rate) {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  const conditions = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: rate };
  await session.send('Network.emulateNetworkConditions', conditions);
}

const waitProgress = (least) =>
  page.waitForFunction((n) => document.querySelector('[data-testid=upload-progress]').value >= n, least);

test('the sample is a video at one click, and two clicks are one', async () => {
  page = await openPage(browser, service);
  const posts = [];
  page.on('request', (request) => request.method() === 'POST' && posts.push(request.url()));
  await hook(page, 'sample').evaluate((button) => (button.click(), button.click()));
  await waitFrame(page, 3);
  assert.match(await page.locator('#name').innerText(), /sample/);
  assert.equal((await videos()).length, 1);
  assert.equal(posts.length, 1);
});

test('the upload says how far it is and how fast, and can be cancelled', async () => {
  page = await openPage(browser, service);
  await slowDown(150_000);
  await upload(page, SHAPES);
  await waitProgress(1);
  await page.waitForFunction(() => /\d+% · .+ of .+ · \S+ KB\/s/.test(document.querySelector('[data-testid=queue] .amount').textContent));
  const early = await hook(page, 'upload-progress').evaluate((bar) => bar.value);
  await waitProgress(early + 10);
  await hook(page, 'upload-cancel').click();
  await page.locator('[data-testid=message][role=status]').waitFor();
  assert.ok(await hook(page, 'choose').isVisible());
  assert.deepEqual(await videos(), []);

  // The very same file again, now to its end.
  await slowDown(-1);
  await upload(page, SHAPES);
  await waitFrame(page, 1);
  assert.ok(await hook(page, 'message').isHidden(), 'the word of the cancelled upload is still there');
  assert.equal((await videos()).length, 1);
});

test('a video can be dropped anywhere on the page', async () => {
  page = await openPage(browser, service);
  const bytes = (await readFile(fixture('numbered.mp4'))).toString('base64');
  await page.evaluate((text) => {
    const data = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const files = new DataTransfer();
    files.items.add(new File([data], 'dropped.mp4', { type: 'video/mp4' }));
    const fire = (type) =>
      document.querySelector('footer').dispatchEvent(new DragEvent(type, { dataTransfer: files, bubbles: true, cancelable: true }));
    fire('dragenter');
    window.marked = document.querySelector('sg-upload').classList.contains('over');
    fire('drop');
  }, bytes);
  assert.ok(await page.evaluate(() => window.marked), 'the drop zone did not say that it takes the file');
  await waitFrame(page, 1);
  assert.equal(await page.locator('#name').innerText(), 'dropped.mp4');
});

const BAD = {
  'junk.mp4': /not a video/i,
  'text.mp4': /not a video/i,
  'html.mp4': /not a video/i,
  'empty.mp4': /empty/i,
  'audio-only.mp4': /no (video|picture)/i,
  'encrypted.mp4': /encrypted/i,
  'no-moov.mp4': /./,
};
for (const [name, words] of Object.entries(BAD)) {
  test(`a bad file is refused in words: ${name}`, async () => {
    page = await openPage(browser, service);
    await upload(page, fixture(name));
    await alert().waitFor();
    const said = await alert().innerText();
    assert.match(said, words);
    assert.doesNotMatch(said, /undefined|null|[<>{}]|\/tmp|gst/i);
    assert.ok(await alert().evaluate((box) => box.getBoundingClientRect().top >= 0), 'it is said where nobody looks');
    // The next one works, and the trouble is no longer spoken of.
    await upload(page, fixture('numbered.mp4'));
    await waitFrame(page, 1);
    assert.ok(await hook(page, 'message').isHidden());
  });
}

test('a damaged video shows what there is, and says so', async () => {
  page = await openPage(browser, service);
  await upload(page, fixture('truncated.mp4'));
  await waitDone(page);
  const id = await openId(page);
  assert.match(await hook(page, 'warning').innerText(), /cut off/);
  const { frames_total: total } = await service.json(`/api/videos/${id}`);
  assert.equal(await hook(page, 'frames').innerText(), `${total} / ${total}`);
  // The browser stops at the break without a word; the rest then comes from the server.
  await waitFrame(page, total - 1);
});

test('a file that is too large is refused in words, not by a broken line', async () => {
  const strict = await Service.started(['--max-upload', '1MB']);
  try {
    page = await openPage(browser, strict);
    await page.evaluate(() => {
      const files = new DataTransfer();
      files.items.add(new File([new Uint8Array(40_000_000)], 'large.mp4', { type: 'video/mp4' }));
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }));
    });
    await alert().waitFor();
    assert.match(await alert().innerText(), /larger than the 1 MB/);
    assert.ok(await hook(page, 'choose').isVisible());
    assert.deepEqual((await strict.json('/api/videos')).items, []);
  } finally {
    await strict.stop();
  }
});

test('a server that has enough to do says so', async () => {
  const strict = await Service.started(['--max-queue', '0']);
  try {
    page = await openPage(browser, strict);
    await upload(page, fixture('numbered.mp4'));
    await alert().waitFor();
    assert.match(await alert().innerText(), /waiting already: try again/);
  } finally {
    await strict.stop();
  }
});
