// What can be wrong with a camera is said with what to do about it, in both languages.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { alert, openCamera, startCamera, waitNoStream } from './harness/camera.mjs';
import { hook, openBrowser } from './harness/page.mjs';
import { Service } from './harness/service.mjs';

const FAKE = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];

let service;
let browser;
before(async () => {
  service = await Service.started(['--no-auth']); // for other names than that of the machine
  browser = await openBrowser([...FAKE, '--host-resolver-rules=MAP camera.test 127.0.0.1']);
});
after(async () => {
  await browser?.close();
  await service?.stop();
});

const TROUBLES = [
  ['NotAllowedError', /Allow it in the browser/, /允许/],
  ['NotFoundError', /Plug one in/, /未找到摄像头/],
  ['NotReadableError', /in use by another program/, /占用/],
  ['OverconstrainedError', /No camera was found/, /未找到摄像头/],
  ['TypeError', /could not be opened/, /无法打开/],
];

for (const [name, english, chinese] of TROUBLES) {
  test(`the camera says ${name}`, async () => {
    for (const [lang, words] of [['en', english], ['zh', chinese]]) {
      const refuse = (page) =>
        page.addInitScript((error) => {
          navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', error));
        }, name);
      const page = await openCamera(browser, service, `?lang=${lang}`, { before: refuse });
      await hook(page, 'start').click();
      assert.match(await alert(page), words);
      assert.ok(await hook(page, 'start').isVisible(), 'it can be tried again');
      assert.deepEqual(page.faults, []);
      await page.context().close();
    }
  });
}

test('a camera without the wished size is opened with the size that it has', async () => {
  const strict = (page) =>
    page.addInitScript(() => {
      const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = (wish) =>
        wish.video === true ? real(wish) : Promise.reject(new DOMException('no', 'OverconstrainedError'));
    });
  const page = await openCamera(browser, service, '', { before: strict });
  await startCamera(page);
  await page.context().close();
  await waitNoStream(service);
});

test('a camera that gives no picture is told', async () => {
  const blind = (page) =>
    page.addInitScript(() => {
      navigator.mediaDevices.getUserMedia = async () => document.createElement('canvas').captureStream(0);
    });
  const page = await openCamera(browser, service, '', { before: blind });
  await hook(page, 'start').click();
  assert.match(await alert(page), /No video from the camera/);
  await hook(page, 'stop').click();
  await hook(page, 'start').waitFor();
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('the page does not wait for who may see it: the camera starts while the session is still asked for', async () => {
  let asked;
  const waiting = new Promise((resolve) => (asked = resolve));
  const hold = (page) => page.route('**/api/session', (route) => asked(route)); // never answered
  const page = await openCamera(browser, service, '', { before: hold });
  await waiting;
  await startCamera(page);
  await page.context().close();
  await waitNoStream(service);
});

test('an unplugged camera is told, and it can be started again', async () => {
  const page = await openCamera(browser, service);
  await startCamera(page);
  await page.evaluate(() => {
    const [track] = document.getElementById('eye').srcObject.getVideoTracks();
    track.dispatchEvent(new Event('ended'));
  });
  assert.match(await alert(page), /unplugged/);
  await waitNoStream(service);
  await hook(page, 'start').click();
  await page.waitForFunction(() => document.querySelector('[data-testid=transport]').textContent !== '');
  assert.equal(await page.locator('[role=alert]').count(), 0);
  await page.context().close();
  await waitNoStream(service);
});

test('without a secure context it is said why, and what to do', async () => {
  const far = { url: service.url.replace('127.0.0.1', 'camera.test') };
  for (const [lang, words] of [['en', /HTTPS/], ['zh', /HTTPS/]]) {
    const page = await openCamera(browser, far, `?lang=${lang}`);
    assert.equal(await page.evaluate(() => isSecureContext), false);
    assert.match(await hook(page, 'insecure').innerText(), words);
    assert.equal(await page.locator('#insecure-https').getAttribute('href'), `${far.url.replace('http', 'https')}camera?lang=${lang}`);
    assert.ok(await hook(page, 'start').isDisabled());
    await hook(page, 'tab-network').click();
    assert.ok(await hook(page, 'stream-add').isEnabled());
    assert.deepEqual(page.faults, []);
    await page.context().close();
  }
});

test('a server that has no room says so, and takes the camera when there is', async () => {
  const small = await Service.started(['--max-streams', '1']);
  try {
    const first = await openCamera(browser, small);
    await startCamera(first);
    for (const query of ['', '?transport=webrtc']) {
      const second = await openCamera(browser, small, query);
      await hook(second, 'start').click();
      assert.match(await alert(second), /1 live streams run already/);
      await second.context().close();
    }
    const second = await openCamera(browser, small);
    await hook(second, 'start').click();
    await alert(second);
    await hook(first, 'stop').click();
    await second.waitForFunction(() => document.querySelector('[data-testid=view]').dataset.frame !== undefined);
    assert.equal(await second.locator('[role=alert]').count(), 0);
    for (const page of [first, second]) await page.context().close();
  } finally {
    await small.stop();
  }
});

test('a camera that is chosen, and a resolution, take effect while it runs', async () => {
  const page = await openCamera(browser, service);
  await startCamera(page);
  const wide = (width) => page.waitForFunction((n) => document.querySelector('[data-testid=view]').width === n, width);
  await wide(640);
  await hook(page, 'resolution').selectOption('1280x720');
  await wide(1280);
  await hook(page, 'resolution').selectOption('640x480');
  await wide(640);
  assert.deepEqual(page.faults, []);
  await page.context().close();
  await waitNoStream(service);
});

test('a page that nobody sees sends nothing, and goes on when it is seen', async () => {
  const page = await openCamera(browser, service);
  await startCamera(page);
  const state = (wanted) =>
    page.waitForFunction(async (one) => (await (await fetch('/api/streams')).json()).items[0]?.state === one, wanted);
  await hook(page, 'tab-network').click();
  await state('paused');
  await hook(page, 'tab-camera').click();
  await state('live');
  assert.equal(await hook(page, 'state').innerText(), 'Live');
  await page.context().close();
  await waitNoStream(service);
});
