// What a live source does: frames a second, milliseconds from picture to boxes, pictures skipped. All of it is measured
// here, on what is drawn.

import { count, oneDigit } from './format.js';

const SPAN = 2000; // milliseconds that the figures are of
const EVERY = 250;

export class LiveMeters {
  #drawn = []; // { at, latency } of the last moments
  #begun = 0;
  #skipped;
  #places;
  #timer = 0;

  /** places: { fps, latency, dropped }, the elements; skipped(): pictures so far. */
  constructor(places, skipped) {
    this.#places = places;
    this.#skipped = skipped;
  }

  start() {
    this.stop();
    this.#begun = performance.now();
    this.#timer = setInterval(() => this.#show(), EVERY);
    this.#show();
  }

  /** The figures stay as they are. */
  stop() {
    clearInterval(this.#timer);
    this.#drawn.length = 0;
  }

  /** A picture was drawn with its boxes that was taken at this moment. */
  drew(takenAt) {
    const at = performance.now();
    this.#drawn.push({ at, latency: at - takenAt });
    this.#forget(at);
  }

  #forget(now) {
    while (this.#drawn.length && now - this.#drawn[0].at > SPAN) this.#drawn.shift();
  }

  #show() {
    const now = performance.now();
    this.#forget(now);
    const { fps, latency, dropped } = this.#places;
    const seconds = Math.min(SPAN, Math.max(500, now - this.#begun)) / 1000;
    fps.textContent = oneDigit(this.#drawn.length / seconds);
    const all = this.#drawn.map((one) => one.latency).sort((a, b) => a - b);
    latency.textContent = all.length ? count(all[all.length >> 1]) : '–';
    dropped.textContent = count(this.#skipped());
  }
}
