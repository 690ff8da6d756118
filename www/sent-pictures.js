// Copies of the pictures that are under way to the server, so that what it answers is drawn on the very picture that it
// is about. The room is bounded: where all of it is under way, no further picture is sent, which is also what keeps a slow
// network from piling up seconds of delay.

const ROOM = 96 * 1024 * 1024; // bytes of pixels
const MOST = 32;
const LEAST = 6;
const LOST = 3000; // milliseconds after which a picture without an answer makes room

export class SentPictures {
  lost = 0; // pictures that were sent and never answered
  #width;
  #height;
  #most;
  #kept = new Map(); // number → picture, in the order of sending
  #spare = [];

  constructor(width, height) {
    this.#width = width;
    this.#height = height;
    this.#most = Math.max(LEAST, Math.min(MOST, Math.floor(ROOM / (4 * width * height))));
  }

  /** A copy of what the video shows, or null where there is no room. `at`: when it was taken. */
  keep(video, number, at) {
    if (this.#kept.size >= this.#most) {
      const [oldest, picture] = this.#kept.entries().next().value;
      if (performance.now() - picture.sentAt < LOST) return null;
      this.#letGo(oldest);
    }
    const picture = this.#spare.pop() ?? this.#canvas();
    picture.getContext('2d', { alpha: false }).drawImage(video, 0, 0, this.#width, this.#height);
    picture.takenAt = at;
    picture.sentAt = performance.now();
    this.#kept.set(number, picture);
    return picture;
  }

  /** The picture of this number, which is now the caller's, or null. Answers come in order, so older ones are lost. */
  take(number) {
    const picture = this.#kept.get(number);
    if (!picture) return null;
    this.#kept.delete(number);
    for (const [older, { sentAt }] of this.#kept) {
      if (sentAt > picture.sentAt) break;
      this.#letGo(older);
    }
    return picture;
  }

  /** It was not sent after all, or the server has said that it gave way. */
  letGo(number) {
    if (this.#kept.has(number)) this.#letGo(number);
  }

  /** Forgets all of them without counting: nobody waits for them any more. */
  clear() {
    for (const picture of this.#kept.values()) picture.close();
    this.#kept.clear();
  }

  #letGo(number) {
    this.#kept.get(number).close();
    this.#kept.delete(number);
    this.lost += 1;
  }

  #canvas() {
    const picture = document.createElement('canvas');
    picture.width = this.#width;
    picture.height = this.#height;
    picture.close = () => this.#spare.push(picture);
    return picture;
  }
}
