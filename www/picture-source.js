// Pictures from the server, for a video that this browser cannot decode: one JPEG per frame over a WebSocket. The page
// hands out credits, so that never more than a few pictures are under way, and keeps the time itself.

import { ADDRESS, EVENT, more, readEvent } from './protocol.js';

const BUFFER = 8;
const LATE = 0.25; // seconds behind: do not rush to catch up, go on from here
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8000;
const SILENT = 3; // connections in a row that bring nothing before it is said: the server may have too many viewers

export class PictureSource {
  #id;
  #track;
  #hooks;
  #socket = null;
  #queue = []; // { frame, picture } in order, decoded
  #asked = 0; // pictures that were asked for and are not in the queue yet
  #next = 0; // the frame after the newest in the queue
  #decoding = Promise.resolve();
  #wanted = false;
  #landing = true;
  #waiting = false;
  #clock = null; // { wall, time }: this frame time was on screen at that wall time
  #pause = FIRST_PAUSE;
  #timer = 0;
  #tick = 0;
  #failures = 0;
  #broken = false; // the server cannot give the picture: nobody asks again until the person does
  #over = false;

  /** hooks: show(frame, picture), waiting(bool), ended(), failed(words), silent(bool) */
  constructor(id, track, from, hooks) {
    this.#id = id;
    this.#track = track;
    this.#hooks = hooks;
    this.#open(from);
    const loop = (now) => {
      this.#tick = requestAnimationFrame(loop);
      this.#step(now / 1000);
    };
    this.#tick = requestAnimationFrame(loop);
  }

  play() {
    this.#wanted = true;
    this.#clock = null;
    if (this.#broken) this.#open(this.#next);
  }

  pause() {
    this.#wanted = false;
    this.#setWaiting(false);
  }

  seek(frame) {
    this.#landing = true;
    this.#clock = null;
    while (this.#queue.length && this.#queue[0].frame < frame) this.#queue.shift().picture.close();
    if (this.#queue[0]?.frame === frame) this.#ask();
    else this.#open(frame);
  }

  grew() {}

  pace() {
    return 1;
  }

  close() {
    this.#over = true;
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#tick);
    this.#socket?.close();
    this.#clear();
  }

  #open(from) {
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#clear();
    this.#asked = 0;
    this.#next = from;
    this.#broken = false;
    const socket = new WebSocket(ADDRESS.pictures(this.#id, from));
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    let frame = -1;
    const current = () => !this.#over && socket === this.#socket;
    socket.onopen = () => current() && this.#ask();
    socket.onmessage = ({ data }) => {
      if (!current()) return;
      if (typeof data !== 'string') {
        this.#decode(socket, frame, data);
        return;
      }
      const event = readEvent(data);
      if (event?.type === EVENT.frame) frame = event.frame;
      else if (event?.type === EVENT.error) this.#break(String(event.detail ?? ''));
      else if (event?.type === EVENT.end) this.#done();
    };
    socket.onclose = () => {
      if (!current()) return;
      this.#failures += 1;
      if (this.#failures === SILENT) this.#hooks.silent(true);
      this.#timer = setTimeout(() => this.#resume(), this.#pause);
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    };
  }

  #break(words) {
    this.#socket?.close();
    this.#socket = null;
    this.#broken = true;
    this.#setWaiting(false);
    this.#finish();
    this.#hooks.failed(words);
  }

  // No picture follows, so those that were asked for beyond the last one will never come.
  #done() {
    this.#socket = null;
    this.#decoding = this.#decoding.then(() => {
      if (this.#socket === null) this.#asked = 0;
    });
  }

  // After a break: what is in the queue is still good, the rest is asked for again.
  #resume() {
    const kept = this.#queue;
    this.#queue = [];
    this.#open(this.#next);
    this.#queue = kept;
  }

  #ask() {
    const count = BUFFER - this.#queue.length - this.#asked;
    if (count <= 0 || this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#asked += count;
    this.#socket.send(more(count));
  }

  #decode(socket, frame, bytes) {
    const picture = createImageBitmap(new Blob([bytes], { type: 'image/jpeg' }));
    picture.catch(() => {}); // it is looked at below, in its turn
    this.#decoding = this.#decoding.then(async () => {
      const bitmap = await picture.catch(() => null); // null: one bad picture; the one before stays a little longer
      const stale = this.#over || (this.#socket !== null && socket !== this.#socket);
      if (stale) {
        bitmap?.close();
        return;
      }
      this.#pause = FIRST_PAUSE;
      if (this.#failures >= SILENT) this.#hooks.silent(false);
      this.#failures = 0;
      this.#asked -= 1;
      this.#next = frame + 1;
      if (bitmap) this.#queue.push({ frame, picture: bitmap });
      else this.#ask();
    });
  }

  #step(now) {
    const head = this.#queue[0];
    const known = head && head.frame < this.#track.length;
    if (this.#wanted) this.#setWaiting(!known && !this.#finished());
    if (!known) {
      if (this.#wanted && this.#finished()) this.#finish();
      return;
    }
    if (!this.#landing && !(this.#wanted && this.#due(head.frame, now))) return;
    this.#landing = false;
    this.#queue.shift();
    this.#hooks.show(head.frame, head.picture);
    this.#ask();
  }

  #due(frame, now) {
    const time = this.#track.time(frame);
    if (!this.#clock || now - (this.#clock.wall + time - this.#clock.time) > LATE) this.#clock = { wall: now, time };
    return now >= this.#clock.wall + time - this.#clock.time;
  }

  #finished() {
    return this.#socket === null && this.#queue.length === 0 && this.#asked <= 0 && this.#track.complete;
  }

  #finish() {
    this.#wanted = false;
    this.#hooks.ended();
  }

  #setWaiting(waiting) {
    if (waiting === this.#waiting) return;
    this.#waiting = waiting;
    this.#hooks.waiting(waiting);
  }

  #clear() {
    for (const { picture } of this.#queue) picture.close();
    this.#queue = [];
  }
}
