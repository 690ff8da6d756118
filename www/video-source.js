// Pictures from the browser's own decoder: a <video> that nobody sees, whose pictures go to the canvas one by one.
//
// Each picture comes with its own time, which is looked up among the frames that the server has told of. A picture whose
// frame is not known is not drawn. At the last known frame the element is stopped, and started again when enough is known.

import { PictureTap } from './picture-tap.js';

const MARGIN = 0.3; // seconds that must be known ahead before a waiting video plays on
const STRANGERS = 30; // so many unknown pictures in a row: browser and server do not see the same timeline
const STALLED = 5; // seconds without progress after which the browser is taken not to get any further
const SLOWEST = 0.1;
const INSIDE = 0.001; // seconds; less than the tolerance of Track.frameOf

export class VideoSource {
  #video;
  #track;
  #hooks;
  #tap;
  #wanted = false; // the person wants it to play
  #waiting = false; // it stands because the next frame is not known yet
  #landing = true; // while paused: the next picture was asked for by a seek (or is the first) and is to be shown
  #seeking = false;
  #target = -1; // the next seek, while one is under way
  #sought = -1; // the frame that a seek is to show, until it has
  #shown = -1;
  #last = 0; // the time of the newest picture, drawn or not
  #held = null; // the newest picture, while its frame is not known yet
  #strangers = 0;
  #still = 0;
  #stillAt = -1;
  #watch = 0;
  #off = new AbortController();

  /**
   * `method`: of the tap. hooks: show(frame, picture), waiting(bool), ended(), blocked(), unable(why). Why it cannot go on:
   * 'format', 'times' (they are those of no frame), 'slow' or 'stalled'.
   */
  constructor(video, track, address, method, hooks) {
    this.#video = video;
    this.#track = track;
    this.#hooks = hooks;
    const on = (name, act) => video.addEventListener(name, act, { signal: this.#off.signal });
    on('error', () => hooks.unable('format'));
    on('loadedmetadata', () => video.videoWidth === 0 && hooks.unable('format'));
    on('seeked', () => this.#landed());
    on('ended', () => this.grew());
    document.addEventListener('visibilitychange', () => this.#drive(), { signal: this.#off.signal });
    this.#watch = setInterval(() => this.#watchdog(), 1000);
    video.playbackRate = 1;
    video.src = address;
    this.#tap = new PictureTap(video, method, (picture, time) => this.#offer(picture, time), () => hooks.unable('slow'));
  }

  play() {
    this.#wanted = true;
    this.#landing = false;
    this.#drive();
  }

  pause() {
    this.#wanted = false;
    this.#landing = this.#shown < 0 || this.#sought >= 0;
    this.#drive();
  }

  seek(frame) {
    this.#target = frame;
    this.#sought = frame;
    this.#landing = true;
    if (!this.#seeking) this.#go();
  }

  /** The track has grown, or is complete. */
  grew() {
    if (this.#track.length === 0) return;
    if (this.#held && (this.#track.complete || this.#track.frameOf(this.#held.time) >= 0)) {
      const { picture, time } = this.#held;
      this.#held = null;
      this.#offer(picture, time);
    }
    if (this.#waiting && this.#enough()) this.#setWaiting(false);
    const atEnd = this.#shown === this.#track.length - 1 || this.#video.ended;
    if (this.#wanted && this.#track.complete && atEnd) this.#finish();
    else this.#drive();
  }

  /** The server may be slower than real time: then the video runs slowly too, rather than in jerks. */
  pace(detectFps, frameRate) {
    const ahead = this.#track.lastTime - this.#last;
    let rate = 1;
    if (!this.#track.complete && ahead < 1 && detectFps > 0 && frameRate > 0) {
      rate = Math.max(SLOWEST, Math.min(1, (0.95 * detectFps) / frameRate));
    }
    if (rate === 1 || Math.abs(rate - this.#video.playbackRate) > 0.05) this.#video.playbackRate = rate;
    return rate;
  }

  close() {
    this.#off.abort();
    clearInterval(this.#watch);
    this.#tap.close();
    this.#hold(null);
    this.#video.pause();
    this.#video.removeAttribute('src');
    this.#video.load();
  }

  #offer(picture, time) {
    this.#last = time;
    this.#hold(null);
    const frame = this.#track.frameOf(time);
    if (frame < 0) {
      this.#unknown(picture, time);
      return;
    }
    this.#strangers = 0;
    if (!this.#wanted && !this.#landing) {
      picture.close(); // it came after the pause: what is shown stays
      return;
    }
    this.#shown = frame;
    if (frame === this.#sought) this.#sought = -1;
    this.#hooks.show(frame, picture);
    if (frame + 1 < this.#track.length) return;
    if (!this.#track.complete) this.#setWaiting(true);
    else if (this.#wanted) this.#finish();
  }

  #unknown(picture, time) {
    if (!this.#track.complete && time > this.#track.lastTime) {
      this.#hold({ picture, time });
      this.#setWaiting(true);
      return;
    }
    picture.close();
    this.#strangers += 1;
    const pastTheEnd = time > this.#track.lastTime;
    if (pastTheEnd && this.#wanted) this.#finish();
    else if ((!this.#wanted && !this.#seeking) || this.#strangers >= STRANGERS) this.#hooks.unable('times');
  }

  #hold(held) {
    this.#held?.picture.close();
    this.#held = held;
  }

  #enough() {
    return this.#track.complete || this.#track.lastTime >= this.#last + MARGIN;
  }

  #setWaiting(waiting) {
    if (waiting === this.#waiting) return;
    this.#waiting = waiting;
    this.#hooks.waiting(waiting);
    this.#drive();
  }

  #drive() {
    const video = this.#video;
    const run = this.#wanted && !this.#waiting && this.#track.length > 0 && !video.ended && !document.hidden;
    if (run === !video.paused) return;
    if (!run) {
      video.pause();
      return;
    }
    this.#still = 0;
    video.play().catch((error) => {
      if (error.name === 'NotAllowedError' && this.#wanted) this.#hooks.blocked();
    });
  }

  #go() {
    const frame = this.#target;
    this.#target = -1;
    this.#seeking = true;
    this.#hold(null);
    this.#setWaiting(false);
    this.#video.currentTime = this.#inside(frame);
  }

  // Into the frame, not to its very beginning: by rounding, that may still be the frame before. But not far: Firefox gives
  // the picture that a seek has found the time that was sought.
  #inside(frame) {
    const start = this.#track.time(frame);
    const end = frame + 1 < this.#track.length ? this.#track.time(frame + 1) : this.#video.duration;
    return Number.isFinite(end) && end > start ? start + Math.min(INSIDE, (end - start) / 2) : start;
  }

  #landed() {
    this.#seeking = false;
    if (this.#target >= 0) this.#go();
    else this.#drive();
  }

  #finish() {
    this.#wanted = false;
    this.#landing = true; // the very last picture may still be on its way
    this.#setWaiting(false);
    this.#drive();
    this.#hooks.ended();
    // Or it was never told of: then it is fetched, so that the end is the end.
    if (this.#shown < this.#track.length - 1) this.seek(this.#track.length - 1);
  }

  // A file with a break in it: the browser stops there without a word, while the server may get further.
  #watchdog() {
    const video = this.#video;
    const moves = video.currentTime !== this.#stillAt;
    this.#still = moves || video.paused || video.seeking || document.hidden ? 0 : this.#still + 1;
    this.#stillAt = video.currentTime;
    if (this.#still >= STALLED) this.#hooks.unable('stalled');
  }
}
