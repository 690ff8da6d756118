// The camera page with a real (fake) camera: the boxes are those of the very picture that is shown, by every way; pause,
// play, stop; and the way by JPEG where WebRTC does not get through.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { alert, openCamera, openNumberedCamera, shown, startCamera, streams, told, transport, waitDrawn, waitNoStream } from './harness/camera.mjs';
import { check, drawn, record } from './harness/numbered.mjs';
import { hook, picture, repaint, thresholdOf } from './harness/page.mjs';
import { Service } from './harness/service.mjs';

let service;
let camera;
before(async () => {
  service = await Service.started();
  camera = await openNumberedCamera();
});
after(async () => {
  await camera?.remove();
  await service?.stop();
});

const believe = (frame, code) => code;

async function checkDrawn(page) {
  check(await drawn(page), await told(page), await thresholdOf(page), believe);
}

const WAYS = [
  ['?transport=webrtc&codec=vp8', 'webrtc', 'VP8'],
  ['?transport=webrtc&codec=h264', 'webrtc', 'H.264'],
  ['?transport=webrtc&codec=vp9', 'webrtc', 'VP9'],
  ['?transport=jpeg', 'jpeg', 'JPEG'],
];

for (const [query, way, codec] of WAYS) {
  test(`the boxes are those of the picture that is shown: ${codec}`, async () => {
    const page = await openCamera(camera.browser, service, query);
    await record(page);
    await startCamera(page);
    assert.equal(await transport(page), way);
    await waitDrawn(page, 60);
    await checkDrawn(page);
    const [stream] = await streams(service);
    assert.equal(stream.state, 'live');
    assert.match(stream.codec, new RegExp(codec.replace('.', '\\.?'), 'i'));
    for (const name of ['fps', 'latency']) {
      await page.waitForFunction((one) => parseFloat(document.querySelector(`[data-testid=${one}]`).textContent) > 0, name);
    }

    // Pause: what is shown stays to the last pixel, and the server works on nothing.
    for (let round = 0; round < 3; round += 1) {
      await hook(page, 'pause').click();
      const stands = await picture(page);
      await checkDrawn(page);
      await page.waitForFunction(async () => (await (await fetch('/api/streams')).json()).items[0].state === 'paused');
      const [{ frames_done: done }] = await streams(service);
      await repaint(page);
      assert.equal(await picture(page), stands, 'something was drawn after the pause');
      // Play: pictures of now, not of then.
      const from = await page.evaluate(() => performance.now());
      await hook(page, 'pause').click();
      await waitDrawn(page, 10);
      await checkDrawn(page);
      assert.ok((await page.evaluate(() => performance.now())) > from);
      assert.ok((await streams(service))[0].frames_done >= done);
    }

    // Stop: the camera is let go, and nothing is left at the server.
    await hook(page, 'stop').click();
    const light = () => document.getElementById('eye').srcObject;
    assert.equal(await page.evaluate(light), null);
    await waitNoStream(service);
    assert.deepEqual(page.faults, []);
    await page.context().close();
  });
}

test('threshold, labels, scores, classes and the mirror show at once, also while it stands', async () => {
  const page = await openCamera(camera.browser, service, '?transport=jpeg');
  await startCamera(page);
  const chip = page.locator('[data-testid=classes] input').first();
  await chip.waitFor({ state: 'attached' });
  // It is stopped at a frame of which the highest threshold takes something away.
  await page.waitForFunction(() => {
    const { frame } = document.querySelector('[data-testid=view]').dataset;
    const unsure = window.told[frame].detections.some(({ score }) => score > 0.5 && score < 0.985);
    if (unsure) document.getElementById('pause').click();
    return unsure;
  });
  const frame = await shown(page);
  const marks = [await picture(page)];
  const changes = [
    () => hook(page, 'threshold').fill('0.99'),
    () => hook(page, 'threshold').fill('0.5'),
    () => hook(page, 'show-labels').uncheck(),
    () => hook(page, 'show-scores').uncheck(),
    () => chip.uncheck(),
    () => hook(page, 'mirror').click(),
  ];
  for (const change of changes) {
    await change();
    marks.push(await picture(page));
  }
  for (const [n, mark] of marks.entries()) assert.notEqual(mark, marks[n - 1], `change ${n} did not show`);
  assert.equal(await shown(page), frame);
  await page.context().close();
  await waitNoStream(service);
});

test('in the mirror the boxes stay on their shapes', async () => {
  const page = await openCamera(camera.browser, service, '?transport=jpeg');
  await startCamera(page);
  await page.waitForFunction(() => document.querySelector('[data-testid=classes] input'));
  await hook(page, 'pause').click();
  const row = () => {
    const canvas = document.querySelector('[data-testid=view]');
    return [...canvas.getContext('2d').getImageData(0, 90, canvas.width, 1).data];
  };
  for (const name of ['show-labels', 'show-scores']) await hook(page, name).uncheck();
  const plain = await page.evaluate(row);
  await hook(page, 'mirror').click();
  const turned = await page.evaluate(row);
  // The same pixels from right to left, but for rounding at the edges of the boxes.
  let off = 0;
  const width = plain.length / 4;
  for (let x = 0; x < width; x += 1) {
    const far = [0, 1, 2].some((i) => Math.abs(plain[4 * x + i] - turned[4 * (width - 1 - x) + i]) > 24);
    if (far) off += 1;
  }
  assert.ok(off <= 8, `${off} of ${width} pixels are elsewhere`);
  await page.context().close();
  await waitNoStream(service);
});

// What a firewall does: neither side learns where the other is.
const walled = (page) =>
  page.route('**/api/streams/whip*', async (route) => {
    const alone = (sdp) => sdp.replace(/^a=candidate:.*\r?\n/gm, '');
    const answer = await route.fetch({ postData: alone(route.request().postData()) });
    await route.fulfill({ response: answer, body: alone(await answer.text()) });
  });

test('where WebRTC does not get through it goes on by JPEG, and says so', async () => {
  const page = await openCamera(camera.browser, service, '', { before: walled });
  await record(page);
  await startCamera(page);
  assert.equal(await transport(page), 'jpeg');
  assert.match(await hook(page, 'way').innerText(), /WebRTC/);
  await waitDrawn(page, 30);
  await checkDrawn(page);
  assert.deepEqual((await streams(service)).map(({ kind }) => kind), ['jpeg']);
  await hook(page, 'stop').click();
  await waitNoStream(service);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test('where UDP is blocked it goes on by JPEG', async () => {
  const blocked = await openNumberedCamera(['--webrtc-ip-handling-policy=disable_non_proxied_udp']);
  try {
    const page = await openCamera(blocked.browser, service);
    await record(page);
    await startCamera(page);
    assert.equal(await transport(page), 'jpeg');
    assert.ok(await hook(page, 'way').isVisible());
    await waitDrawn(page, 30);
    await checkDrawn(page);
    await hook(page, 'stop').click();
    await waitNoStream(service);
    assert.deepEqual(page.faults, []);
  } finally {
    await blocked.remove();
  }
});

for (const query of ['', '?transport=jpeg']) {
  test(`after the server was away it goes on by itself: ${query}`, async () => {
    const page = await openCamera(camera.browser, service, query);
    await record(page);
    await startCamera(page);
    await service.end();
    assert.match(await alert(page), /lost/);
    await service.start();
    await page.locator('[data-testid=message]').waitFor({ state: 'hidden' });
    await waitDrawn(page, 1);
    await drawn(page); // among them those of before
    assert.equal(await transport(page), query ? 'jpeg' : 'webrtc');
    await waitDrawn(page, 20);
    await checkDrawn(page);
    await page.context().close();
    await waitNoStream(service);
  });
}

test('a page that is closed leaves nothing behind', async () => {
  for (const query of ['', '?transport=jpeg']) {
    const page = await openCamera(camera.browser, service, query);
    await startCamera(page);
    assert.equal((await streams(service)).length, 1);
    await page.goto('about:blank');
    await waitNoStream(service);
    await page.context().close();
  }
});
