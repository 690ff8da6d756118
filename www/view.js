// The canvas. It holds the picture that is shown, so that the boxes can be drawn anew on the same picture while paused.

import { fit, paint } from './draw.js';

export class View {
  frame = -1;
  #canvas;
  #options;
  #track = null;
  #picture = null;

  constructor(canvas, options) {
    this.#canvas = canvas;
    this.#options = options;
    // Full screen, a turned phone: lines are drawn for the size at which they are seen.
    new ResizeObserver(() => this.redraw()).observe(canvas);
  }

  /** `size`: the video's, as far as it is known before the first picture. */
  reset(track, size) {
    this.#picture?.close?.();
    this.#picture = null;
    this.#track = track;
    this.frame = -1;
    const canvas = this.#canvas;
    delete canvas.dataset.frame;
    delete canvas.dataset.time;
    fit(canvas, size.width || 640, size.height || 360);
    canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
  }

  /** Draws the picture with the boxes of that frame; from now on the picture belongs to the view. */
  show(frame, picture) {
    if (this.#picture !== picture) this.#picture?.close?.();
    this.#picture = picture;
    this.frame = frame;
    this.redraw();
  }

  redraw() {
    if (this.frame < 0) return;
    paint(this.#canvas, this.#picture, this.#track, this.frame, this.#options);
    this.#canvas.dataset.frame = String(this.frame);
    this.#canvas.dataset.time = String(this.#track.time(this.frame));
  }
}
