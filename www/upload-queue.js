// The files that are to be uploaded: one at a time, in the order in which they came. A file that the server refuses does
// not hold up the next one. An upload whose connection breaks waits until the server answers again and is then sent again.
// Nothing here touches the page, so that the states can be tested without one.

export const UPLOAD = Object.freeze({
  waiting: 'waiting',
  preparing: 'preparing', // the file itself is still being fetched (the sample)
  uploading: 'uploading',
  interrupted: 'interrupted', // the connection broke; it is sent again by itself
  failed: 'failed',
  done: 'done',
});

const FIRST_PAUSE = 1000; // milliseconds until the server is asked whether it is back
const LONGEST_PAUSE = 30_000;
const ATTEMPTS = 6; // sendings that may break, with a server that answers in between, before a person has to decide

/** Answers that say nothing about the file: none at all, or those of a proxy or of a server that is stopping. */
const LOST = new Set([0, 408, 502, 503, 504]);
/** Answers about the file itself: sending it once more changes nothing. */
const FINAL = new Set([413, 415, 422]);

export class UploadQueue {
  /** In the order of sending: { name, state, sent, total, speed, error, status, retryAt, file, video, … } */
  items = [];
  #hooks;
  #clock;
  #running = false;

  /**
   * hooks:
   * - `send(item, progress)`: sends `item.file`; gives { video: Promise, cancel() }. `progress({ sent, total, speed })`.
   * - `reachable()`: Promise of whether the server answers.
   * - `changed()`: something in `items` is different.
   * - `finished(item)`, `failed(item)`: this one is over.
   * `clock`: { now(), wait(milliseconds, signal) }, for tests.
   */
  constructor(hooks, clock = systemClock) {
    this.#hooks = hooks;
    this.#clock = clock;
  }

  /** True while something is sent or will be sent by itself: leaving the page would lose it. */
  get busy() {
    return this.items.some(isUnfinished);
  }

  /** `wanted`: { name, file } or { name, load }, where `load()` promises the file; further fields are kept in the item. */
  add(...wanted) {
    // What the server has refused or what was opened is of yesterday.
    if (!this.busy) this.items = this.items.filter((item) => item.state === UPLOAD.failed && canRetry(item));
    for (const one of wanted) {
      const fresh = { state: UPLOAD.waiting, sent: 0, total: one.file?.size ?? 0, speed: 0, attempts: 0, interrupted: false };
      this.items.push({ ...fresh, ...one });
    }
    this.#hooks.changed();
    this.#run();
  }

  /** Stops it, whatever it does, and forgets it. */
  remove(item) {
    this.items = this.items.filter((other) => other !== item);
    item.removed = true;
    item.cancel?.();
    item.wake?.();
    this.#hooks.changed();
  }

  /** Forgets what is done or failed. */
  clear() {
    this.items = this.items.filter(isUnfinished);
    this.#hooks.changed();
  }

  /** An interrupted one: now and not later. A failed one: again. */
  retry(item) {
    if (item.state === UPLOAD.interrupted) {
      item.wake?.();
      return;
    }
    if (item.state !== UPLOAD.failed) return;
    Object.assign(item, { state: UPLOAD.waiting, attempts: 0, sent: 0, speed: 0, error: null });
    this.#hooks.changed();
    this.#run();
  }

  /** The network may be back: whatever waits for it tries at once. */
  wake() {
    for (const item of this.items) item.wake?.();
  }

  async #run() {
    if (this.#running) return;
    this.#running = true;
    let item;
    while ((item = this.items.find(({ state }) => state === UPLOAD.waiting))) await this.#upload(item);
    this.#running = false;
    this.#hooks.changed();
  }

  async #upload(item) {
    while (!item.removed) {
      try {
        item.video = await this.#send(item);
        if (item.removed) return;
        item.state = UPLOAD.done;
        this.#hooks.finished(item);
        this.#hooks.changed();
        return;
      } catch (error) {
        if (item.removed) return;
        item.attempts += 1;
        item.error = error.message;
        item.status = error.status;
        item.speed = 0;
        if (!LOST.has(error.status) || item.attempts >= ATTEMPTS) {
          item.state = UPLOAD.failed;
          this.#hooks.failed(item);
          this.#hooks.changed();
          return;
        }
        await this.#wait(item);
      }
    }
  }

  async #send(item) {
    if (!item.file) {
      item.state = UPLOAD.preparing;
      this.#hooks.changed();
      item.file = await item.load();
      item.total = item.file.size;
      if (item.removed) return null;
    }
    item.state = UPLOAD.uploading;
    item.again = item.sent; // how far the broken attempt had come: all sent means that the server may have it
    item.sent = 0;
    this.#hooks.changed();
    const { video, cancel } = this.#hooks.send(item, (state) => {
      Object.assign(item, state);
      this.#hooks.changed();
    });
    item.cancel = cancel;
    try {
      return await video;
    } finally {
      item.cancel = null;
    }
  }

  // Until the server answers, with pauses that grow, or until the item is removed.
  async #wait(item) {
    item.state = UPLOAD.interrupted;
    item.interrupted = true;
    let pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (item.attempts - 1));
    while (!item.removed) {
      item.retryAt = this.#clock.now() + pause;
      this.#hooks.changed();
      await this.#pause(item, pause);
      if (item.removed) return;
      item.retryAt = this.#clock.now();
      this.#hooks.changed();
      if (await this.#hooks.reachable()) return;
      pause = Math.min(LONGEST_PAUSE, 2 * pause);
    }
  }

  async #pause(item, milliseconds) {
    const woken = new AbortController();
    item.wake = () => woken.abort();
    await this.#clock.wait(milliseconds, woken.signal);
    item.wake = null;
  }
}

/** Whether it makes sense to send it once more. */
export const canRetry = ({ status }) => !FINAL.has(status);

const isUnfinished = ({ state }) => state !== UPLOAD.failed && state !== UPLOAD.done;

const systemClock = {
  now: () => Date.now(),
  wait: (milliseconds, signal) =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    }),
};
