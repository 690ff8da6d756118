// The states of the upload queue, without a page: what is sent when, what is sent again, and what is left to a person.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { UPLOAD, UploadQueue } from '../../www/upload-queue.js';

class Refusal extends Error {
  constructor(status, words = `refused with ${status}`) {
    super(words);
    this.status = status;
  }
}

/** A queue whose sendings, server and time are in the hands of the test. */
function stage() {
  const sendings = []; // { item, progress, done(video), fail(status), cancelled }
  const pauses = []; // milliseconds of each wait
  const events = [];
  const asked = { reachable: 0 };
  let up = true;
  let waiting = null;
  const send = (item, progress) => {
    const sending = { item, progress, cancelled: false };
    const video = new Promise((resolve, reject) => {
      sending.done = (id = `id-${item.name}`) => resolve({ id });
      sending.fail = (status, words) => reject(new Refusal(status, words));
    });
    sendings.push(sending);
    return { video, cancel: () => ((sending.cancelled = true), sending.fail(undefined)) };
  };
  const clock = {
    now: () => 1_000_000,
    wait: (milliseconds, signal) =>
      new Promise((resolve) => {
        pauses.push(milliseconds);
        waiting = resolve;
        signal.addEventListener('abort', resolve);
      }),
  };
  const hooks = {
    send,
    reachable: async () => ((asked.reachable += 1), up),
    changed: () => {},
    finished: (item) => events.push(`done ${item.name}`),
    failed: (item) => events.push(`failed ${item.name}: ${item.error}`),
  };
  const queue = new UploadQueue(hooks, clock);
  const file = (name) => ({ name, file: { size: 100 } });
  return {
    queue, sendings, pauses, events, asked, file,
    states: () => queue.items.map(({ name, state }) => `${name} ${state}`),
    server: (is) => (up = is),
    timePasses: () => waiting(),
    settled: () => new Promise((resolve) => setImmediate(resolve)),
  };
}

test('one at a time, in their order, and a refused one does not hold up the next', async () => {
  const { queue, sendings, events, file, states, settled } = stage();
  queue.add(file('a'), file('b'), file('c'));
  await settled();
  assert.deepEqual(states(), ['a uploading', 'b waiting', 'c waiting']);
  sendings[0].done();
  await settled();
  assert.deepEqual(states(), ['a done', 'b uploading', 'c waiting']);
  sendings[1].fail(415, 'The file is not a video.');
  await settled();
  assert.deepEqual(states(), ['a done', 'b failed', 'c uploading']);
  // Added while it runs.
  queue.add(file('d'));
  assert.equal(sendings.length, 3);
  assert.ok(queue.busy);
  sendings[2].done();
  await settled();
  sendings[3].done();
  await settled();
  assert.deepEqual(states(), ['a done', 'b failed', 'c done', 'd done']);
  assert.deepEqual(events, ['done a', 'failed b: The file is not a video.', 'done c', 'done d']);
  assert.ok(!queue.busy);
});

test('a broken connection is waited for with growing pauses, and the file is sent again when the server answers', async () => {
  const { queue, sendings, pauses, asked, file, states, server, timePasses, settled } = stage();
  queue.add(file('a'), file('b'));
  await settled();
  sendings[0].progress({ sent: 40, total: 100, speed: 10 });
  server(false);
  sendings[0].fail(0, 'no answer');
  await settled();
  assert.deepEqual(states(), ['a interrupted', 'b waiting']);
  assert.equal(queue.items[0].sent, 40, 'how far it was is forgotten');
  for (let n = 0; n < 8; n += 1) {
    timePasses();
    await settled();
  }
  assert.equal(asked.reachable, 8);
  assert.equal(sendings.length, 1, 'it was sent to a server that does not answer');
  assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000]);
  server(true);
  timePasses();
  await settled();
  assert.deepEqual(states(), ['a uploading', 'b waiting']);
  assert.equal(sendings[1].item.again, 40);
  assert.equal(sendings[1].item.sent, 0);
  sendings[1].done();
  await settled();
  assert.deepEqual(states(), ['a done', 'b uploading']);
});

test('Retry does not wait for the pause, and the network coming back does not either', async () => {
  const { queue, sendings, file, settled } = stage();
  queue.add(file('a'));
  await settled();
  sendings[0].fail(503);
  await settled();
  queue.retry(queue.items[0]);
  await settled();
  assert.equal(sendings.length, 2);
  sendings[1].fail(0);
  await settled();
  queue.wake();
  await settled();
  assert.equal(sendings.length, 3);
});

test('a connection that breaks again and again, with a server that answers in between, is left to a person', async () => {
  const { queue, sendings, events, file, states, timePasses, settled } = stage();
  queue.add(file('a'), file('b'));
  await settled();
  while (queue.items[0].state !== UPLOAD.failed) {
    assert.ok(sendings.length < 50, 'it never ends');
    sendings.at(-1).fail(0, 'no answer');
    await settled();
    if (queue.items[0].state === UPLOAD.interrupted) timePasses();
    await settled();
  }
  assert.deepEqual(events, ['failed a: no answer']);
  assert.deepEqual(states(), ['a failed', 'b uploading']);
  sendings.at(-1).done();
  await settled();
  queue.retry(queue.items[0]);
  await settled();
  assert.deepEqual(states(), ['a uploading', 'b done']);
});

test('what is removed is not sent, nor sent on, nor told of', async () => {
  const { queue, sendings, events, file, states, timePasses, settled } = stage();
  queue.add(file('a'), file('b'), file('c'));
  await settled();
  queue.remove(queue.items[1]);
  queue.remove(queue.items[0]);
  await settled();
  assert.ok(sendings[0].cancelled);
  assert.deepEqual(states(), ['c uploading']);
  sendings[1].fail(0);
  await settled();
  queue.remove(queue.items[0]);
  await settled();
  timePasses();
  await settled();
  assert.equal(sendings.length, 2);
  assert.deepEqual(events, []);
  assert.ok(!queue.busy);
});

test('a file that has to be fetched first is waited for like the server', async () => {
  const { queue, sendings, states, timePasses, settled } = stage();
  let tries = 0;
  const load = async () => {
    tries += 1;
    if (tries === 1) throw new Refusal(0);
    return { size: 7 };
  };
  queue.add({ name: 'sample', load });
  await settled();
  assert.deepEqual(states(), ['sample interrupted']);
  timePasses();
  await settled();
  assert.deepEqual(states(), ['sample uploading']);
  assert.equal(sendings[0].item.total, 7);
});

test('new files take the place of what is over, but not of what can still be sent', async () => {
  const { queue, sendings, file, states, settled } = stage();
  queue.add(file('done'), file('refused'), file('busy server'));
  await settled();
  sendings[0].done();
  await settled();
  sendings[1].fail(422);
  await settled();
  sendings[2].fail(429);
  await settled();
  queue.add(file('next'));
  await settled();
  assert.deepEqual(states(), ['busy server failed', 'next uploading']);
  queue.clear();
  assert.deepEqual(states(), ['next uploading']);
});
