// The newest frame of a live source, in the form of a track that holds this one frame: what the drawing and the class filter
// read. Boxes are told in pixels of the picture that the server got, which on a slow network is smaller than the one that
// is shown.

import { passes } from './track.js';

export class LiveTrack {
  labels = new Map(); // class_id → label, of all that was found so far
  best = new Map(); // class_id → its highest score so far
  #event = { frame: -1, time: 0, width: 1, height: 1, detections: [] };
  #size = { width: 1, height: 1 };

  /** `picture`: that on which the boxes will be drawn. */
  take(event, picture) {
    this.#event = event;
    this.#size = { width: picture.width, height: picture.height };
    for (const { class_id: id, label, score } of event.detections) {
      if (!this.labels.has(id)) this.labels.set(id, String(label));
      if (!(this.best.get(id) >= score)) this.best.set(id, score);
    }
  }

  size() {
    return this.#size;
  }

  time() {
    return this.#event.time;
  }

  /** As that of Track. */
  each(frame, visit) {
    const { detections, width, height } = this.#event;
    const across = this.#size.width / width;
    const down = this.#size.height / height;
    for (let i = detections.length - 1; i >= 0; i -= 1) {
      const { box: [x, y, w, h], class_id: id, score } = detections[i];
      visit(id, score, x * across, y * down, w * across, h * down);
    }
  }

  /** How many of each class are on the frame at this threshold: class_id → count. */
  counts(frame, threshold) {
    const counts = new Map();
    for (const { class_id: id, score } of this.#event.detections) {
      if (passes(score, threshold)) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  }
}
