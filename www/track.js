// All detections of one video, kept in typed arrays: an hour of video is some hundred thousand frames, which as objects
// would weigh hundreds of megabytes and make the garbage collector stutter the playback.

// Times of the server and of the browser agree to a microsecond. Anything farther off than this is another frame.
const SAME_FRAME = 0.002;

export class Track {
  length = 0; // frames known, always 0..length-1 without a hole
  complete = false; // no further frame will come
  labels = new Map(); // class_id → label, in the order in which they were first seen
  best = new Map(); // class_id → its highest score so far
  #times = new Float64Array(1024);
  #ends = new Uint32Array(1024); // detections of frame i are #ends[i-1]..#ends[i]
  #boxes = new Float32Array(4096);
  #classes = new Uint32Array(1024);
  #scores = new Float32Array(1024);
  #sizes = []; // the picture's size, noted where it changes

  /** Takes the next frame event. False: it is not the next one, something was lost or repeated. */
  add(event) {
    if (event.frame !== this.length) return false;
    const first = this.length ? this.#ends[this.length - 1] : 0;
    const last = first + event.detections.length;
    this.#times = roomFor(this.#times, this.length + 1);
    this.#ends = roomFor(this.#ends, this.length + 1);
    this.#boxes = roomFor(this.#boxes, last * 4);
    this.#classes = roomFor(this.#classes, last);
    this.#scores = roomFor(this.#scores, last);
    event.detections.forEach((found, i) => {
      this.#boxes.set(found.box, (first + i) * 4);
      this.#classes[first + i] = found.class_id;
      this.#scores[first + i] = found.score;
      if (!this.labels.has(found.class_id)) this.labels.set(found.class_id, String(found.label));
      if (!(this.best.get(found.class_id) >= found.score)) this.best.set(found.class_id, found.score);
    });
    const size = this.#sizes.at(-1);
    if (size?.width !== event.width || size.height !== event.height) {
      this.#sizes.push({ from: this.length, width: event.width, height: event.height });
    }
    this.#times[this.length] = event.time;
    this.#ends[this.length] = last;
    this.length += 1;
    return true;
  }

  time(frame) {
    return this.#times[frame];
  }

  /** The time of the last known frame, or -1 while none is known. */
  get lastTime() {
    return this.length ? this.#times[this.length - 1] : -1;
  }

  /** When the last known frame ends: as long after its beginning as it itself came after the one before. */
  get end() {
    if (this.length < 2) return Math.max(0, this.lastTime);
    return 2 * this.lastTime - this.#times[this.length - 2];
  }

  size(frame) {
    let i = this.#sizes.length - 1;
    while (i > 0 && this.#sizes[i].from > frame) i -= 1;
    return this.#sizes[i];
  }

  /** The frame that is on screen at this moment: the last one that began by then (0 before the first). */
  frameAt(seconds) {
    let low = 0;
    let high = this.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#times[middle] <= seconds + 1e-6) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The frame that has this very time, or -1: not detected yet, or not a frame that the server has seen. */
  frameOf(mediaTime) {
    if (!this.length) return -1;
    const before = this.frameAt(mediaTime);
    const after = Math.min(before + 1, this.length - 1);
    const off = (frame) => Math.abs(this.#times[frame] - mediaTime);
    const nearest = off(after) < off(before) ? after : before;
    return off(nearest) <= SAME_FRAME ? nearest : -1;
  }

  /** Calls `visit(class_id, score, x, y, w, h)` for each detection, the least certain first. */
  each(frame, visit) {
    const first = frame ? this.#ends[frame - 1] : 0;
    const order = [];
    for (let i = first; i < this.#ends[frame]; i += 1) order.push(i);
    order.sort((a, b) => this.#scores[a] - this.#scores[b]);
    for (const i of order) {
      const [x, y, w, h] = this.#boxes.subarray(i * 4, i * 4 + 4);
      visit(this.#classes[i], this.#scores[i], x, y, w, h);
    }
  }

  /** How many of each class are on the frame at this threshold: class_id → count. */
  counts(frame, threshold) {
    const counts = new Map();
    if (frame < 0) return counts;
    this.each(frame, (id, score) => {
      if (passes(score, threshold)) counts.set(id, (counts.get(id) ?? 0) + 1);
    });
    return counts;
  }
}

// Scores are kept as 32-bit floats: without the slack a score of exactly 0.3 would fall below a threshold of 0.3.
export const passes = (score, threshold) => score >= threshold - 1e-6;

function roomFor(array, length) {
  if (length <= array.length) return array;
  const larger = new array.constructor(Math.max(length, array.length * 2));
  larger.set(array);
  return larger;
}
