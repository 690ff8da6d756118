// Uploads that do not go straight: several files, a bad one among them, a connection that breaks, a page that is left.

import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { after, afterEach, before, test } from 'node:test';

import { hook, openBrowser, openId, openPage, upload, waitFrame } from './harness/page.mjs';
import { Service, fixture } from './harness/service.mjs';

const SHAPES = fixture('shapes.mp4');

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
const names = async () => (await videos()).map(({ name }) => name).sort();
const row = (name) => hook(page, 'queue').locator('li').filter({ hasText: name });
const alert = () => page.locator('[data-testid=message][role=alert]');

const waitRow = (name, state) =>
  page.waitForFunction(
    ([wanted, is]) =>
      [...document.querySelectorAll('[data-testid=queue] li')].some((li) => li.textContent.includes(wanted) && li.dataset.state === is),
    [name, state],
  );

/** The way to the server as slow as a phone's: bytes a second; -1: as fast as it is. */
async function slowDown(rate) {
  page.session ??= await page.context().newCDPSession(page);
  await page.session.send('Network.enable');
  const conditions = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: rate };
  await page.session.send('Network.emulateNetworkConditions', conditions);
}

const waitProgress = (least) =>
  page.waitForFunction((n) => document.querySelector('[data-testid=upload-progress]').value >= n, least);

/** A slow upload of `file`, somewhere in its middle. */
async function startSlowly(...files) {
  await slowDown(60_000);
  await upload(page, ...files);
  await waitProgress(3);
}

const drop = (...files) =>
  page.evaluate((wanted) => {
    const transfer = new DataTransfer();
    for (const [name, words] of wanted) transfer.items.add(new File([words], name, { type: 'video/mp4' }));
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }, files);

test('a bad file is named and does not hold up the others', async () => {
  page = await openPage(browser, service);
  await upload(page, fixture('numbered.mp4'), fixture('text.mp4'), fixture('numbered-odd.mp4'));
  await waitRow('numbered-odd.mp4', 'done');
  await waitRow('text.mp4', 'failed');
  assert.deepEqual(await names(), ['numbered-odd.mp4', 'numbered.mp4']);
  assert.match(await alert().innerText(), /text\.mp4.*not a video/);
  assert.match(await row('text.mp4').innerText(), /not a video/);
  assert.equal(await row('text.mp4').locator('[data-testid=upload-retry]').isVisible(), false, 'it would be refused again');
  // The first one was opened, because nothing was open.
  await waitFrame(page, 1);
  assert.equal(await page.locator('#name').innerText(), 'numbered.mp4');
  await hook(page, 'queue-clear').click();
  assert.equal(await hook(page, 'queue').locator('li').count(), 0);
});

test('files that come while another one is sent wait for their turn', async () => {
  page = await openPage(browser, service);
  await startSlowly(SHAPES);
  await drop(['second.mp4', 'x']);
  await waitRow('second.mp4', 'waiting');
  await upload(page, fixture('numbered.mp4'));
  await waitRow('numbered.mp4', 'waiting');
  assert.match(await page.locator('.uploads h2').innerText(), /1 of 3/);
  // One that waits can be taken out.
  await upload(page, fixture('numbered-odd.mp4'));
  await row('numbered-odd.mp4').locator('[data-testid=upload-remove]').click();
  await slowDown(-1);
  await waitRow('second.mp4', 'failed');
  await waitRow('numbered.mp4', 'done');
  assert.deepEqual(await names(), ['numbered.mp4', 'shapes.mp4']);
});

/** Until the upload of shapes.mp4 is interrupted in its middle; numbered.mp4 waits behind it. */
async function interrupt() {
  await startSlowly(SHAPES);
  await upload(page, fixture('numbered.mp4'));
  await service.end();
  await waitRow('shapes.mp4', 'interrupted');
  assert.match(await row('shapes.mp4').innerText(), /Connection lost at [1-9]\d*%/);
  assert.ok(await row('shapes.mp4').locator('[data-testid=upload-retry]').isVisible());
  await waitRow('numbered.mp4', 'waiting');
  await slowDown(-1);
}

async function allArrived() {
  await waitRow('numbered.mp4', 'done');
  assert.deepEqual(await names(), ['numbered.mp4', 'shapes.mp4']);
  await waitFrame(page, 1);
  assert.equal(await page.locator('#name').innerText(), 'shapes.mp4');
}

test('an upload whose connection breaks stays in sight and is sent again by itself', async () => {
  page = await openPage(browser, service);
  await interrupt();
  await service.start();
  await allArrived();
});

test('Retry does not wait for the next try', async () => {
  page = await openPage(browser, service, { before: (fresh) => fresh.clock.install() });
  await interrupt();
  // The page's time stands still: nothing happens by itself any more.
  await page.clock.pauseAt(new Date(Date.now() + 60_000));
  await page.waitForFunction(() => / \d+ s\.$/.test(document.querySelector('[data-testid=queue] .amount').textContent));
  await service.start();
  await row('shapes.mp4').locator('[data-testid=upload-retry]').click();
  await waitRow('shapes.mp4', 'done');
  await page.clock.resume();
  await allArrived();
});

test('a server that stands still without a word is not waited for for ever', async () => {
  page = await openPage(browser, service);
  await slowDown(2_000_000);
  await page.evaluate(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(80_000_000)], 'large.mp4', { type: 'video/mp4' })); // more than lies in buffers on the way
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  });
  await waitProgress(1);
  service.freeze();
  try {
    await waitRow('large.mp4', 'interrupted');
    assert.match(await row('large.mp4').innerText(), /Connection lost at \d+%/);
  } finally {
    service.thaw();
  }
  await waitRow('large.mp4', 'uploading');
  await hook(page, 'upload-cancel').click();
  assert.equal(await hook(page, 'queue').locator('li').count(), 0);
});

/** A way to the service that once, after everything of an upload has gone through, breaks in the middle of the answer. */
async function breakingLine() {
  const line = { posts: 0 };
  const { hostname, port } = new URL(service.url);
  const sockets = new Set();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    let isUpload = false;
    near.on('data', (bytes) => {
      if (bytes.toString('latin1').startsWith('POST /api/videos?')) {
        isUpload = true;
        line.posts += 1;
      }
      far.write(bytes);
    });
    far.on('data', (bytes) => {
      // Of a connection that breaks before the first byte a browser sends the request again by itself.
      if (isUpload && line.posts === 1) near.end(bytes.subarray(0, -10));
      else near.write(bytes);
    });
    for (const [one, other] of [[near, far], [far, near]]) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  line.url = `http://127.0.0.1:${server.address().port}/`;
  line.close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return line;
}

test('a video that arrived is not sent twice because its answer was lost', async () => {
  const line = await breakingLine();
  try {
    page = await openPage(browser, line);
    await upload(page, fixture('numbered.mp4'));
    await waitFrame(page, 1);
    assert.equal(line.posts, 1);
    assert.deepEqual(await names(), ['numbered.mp4']);
  } finally {
    line.close();
  }
});

test('a file that is gone is reported as missing', async () => {
  page = await openPage(browser, service);
  await page.evaluate(() => {
    const transfer = new DataTransfer();
    const file = new File(['x'], 'moved.mp4', { type: 'video/mp4' });
    file.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotReadableError')) });
    transfer.items.add(file);
    Object.defineProperty(transfer, 'files', { value: [file] });
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  });
  await waitRow('moved.mp4', 'failed');
  assert.match(await alert().innerText(), /moved\.mp4: The file cannot be read any more/);
  assert.ok(await row('moved.mp4').locator('[data-testid=upload-retry]').isVisible());
});

test('leaving during an upload is asked for, and only then', async () => {
  page = await openPage(browser, service);
  const asked = [];
  page.on('dialog', (dialog) => {
    asked.push(dialog.type());
    return dialog.dismiss();
  });
  await page.locator('h1').click(); // a browser asks only where a person has done something
  await startSlowly(SHAPES);
  const id = page.url();
  for (const href of ['/image', '/camera']) {
    const question = page.waitForEvent('dialog');
    await page.locator(`nav a[href="${href}"]`).click({ noWaitAfter: true });
    await question;
  }
  assert.deepEqual(asked, ['beforeunload', 'beforeunload']);
  assert.equal(page.url(), id);
  await slowDown(-1);
  await waitFrame(page, 1); // it went on
  await page.locator('nav a[href="/image"]').click();
  await page.waitForURL((url) => url.pathname === '/image');
  assert.equal(asked.length, 2);
  await page.goBack();
});

test('a finished upload does not take the place of the video that is watched', async () => {
  page = await openPage(browser, service);
  await upload(page, fixture('numbered.mp4'));
  const first = await openId(page);
  await waitFrame(page, 1);
  await upload(page, fixture('numbered-odd.mp4'));
  await waitRow('numbered-odd.mp4', 'done');
  assert.equal(await openId(page), first);
  assert.equal(await page.locator('#name').innerText(), 'numbered.mp4');
  await page.waitForFunction(() => document.querySelectorAll('[data-testid=videos] li').length === 2);
  await row('numbered-odd.mp4').locator('[data-testid=upload-open]').click();
  await page.waitForFunction((id) => new URLSearchParams(location.search).get('video') !== id, first);
  await waitFrame(page, 1);
  assert.equal(await page.locator('#name').innerText(), 'numbered-odd.mp4');
  assert.equal(await hook(page, 'queue').locator('li').count(), 0, 'all is done and seen');
});
