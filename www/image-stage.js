// The picture that is shown large: drawn here with its boxes, or as the server has drawn it, in the size that is chosen.

import { LiveTrack } from './live-track.js';
import { View } from './view.js';

const LONGEST = 1920; // nobody sees more, and a photograph has a multiple of it

const byId = (id) => document.getElementById(id);

export class ImageStage {
  track = new LiveTrack();
  #canvas = byId('view');
  #served = byId('served');
  #size = byId('size');
  #view;
  #picture = null;
  #index = -1;
  #pixels = null;
  #found = null;

  /** `options`: what paint() reads. */
  constructor(options) {
    this.#view = new View(this.#canvas, options);
    this.#size.oninput = () => this.#resize();
    this.#resize();
  }

  /** For other pictures, or another model: the classes of before are forgotten. */
  reset() {
    this.track = new LiveTrack();
    this.#view.reset(this.track, this.#picture ?? {});
    this.#picture = this.#pixels = null;
  }

  /** Resolves when it is shown, or when another one was opened meanwhile. Throws `Unreadable` if the file is gone. */
  async open(index, picture) {
    if (picture === this.#picture) return;
    this.#picture = picture;
    this.#pixels = null; // the one before keeps its own boxes until it is replaced
    const pixels = await picture.pixels(LONGEST).catch((error) => {
      if (this.#picture === picture) this.#view.reset(this.track, picture);
      throw error;
    });
    if (this.#picture !== picture) {
      pixels.close();
      return;
    }
    this.#pixels = pixels;
    this.#index = index;
    this.#draw();
  }

  /** `found`: what was found in the open picture, or null. */
  show(found) {
    this.#found = found;
    const drawn = found?.drawn;
    this.#canvas.hidden = Boolean(drawn);
    this.#served.hidden = !drawn;
    if (drawn && this.#served.getAttribute('src') !== drawn) this.#served.src = drawn;
    if (!drawn) this.#served.removeAttribute('src');
    if (this.#pixels) this.#draw();
  }

  #draw() {
    const { width, height, detections = [] } = this.#found ?? { width: 1, height: 1 };
    this.track.take({ frame: this.#index, time: 0, width, height, detections }, this.#pixels);
    this.#view.show(this.#index, this.#pixels);
    this.#served.style.setProperty('--aspect', this.#canvas.style.getPropertyValue('--aspect'));
  }

  #resize() {
    const glass = this.#canvas.parentElement;
    glass.style.setProperty('--zoom', String(this.#size.value / 100));
    this.#size.setAttribute('aria-valuetext', `${this.#size.value}%`);
  }
}
