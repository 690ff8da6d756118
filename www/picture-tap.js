// Takes pictures off a playing <video>, each together with its own time. Browsers differ in what can be believed about that
// time (docs/design/0013-frame-proof.md), so there are several methods; frame-proof.js finds out which one is right.
//
// - videoFrame: a VideoFrame carries its own time. Only on pages over HTTPS or from the machine itself.
// - mediaTime: the picture is copied in the callback, which tells of the picture that the element shows. The element may
//   already be at the next one (seen in Chromium: about one in a hundred), so each copy waits until the next callback
//   proves that it had not moved on: that callback must be about the very next frame, and that frame must have come on
//   after the copy was made. A copy without that proof is thrown away.
// - mediaTimeDisplayed: the callback tells of the newest picture that is due before the next repaint (Firefox), which need not
//   be shown yet. If it is due already, it is copied at once, for no other is due before that repaint. If not, the copy is
//   made at the next repaint, and the next callback must prove it: it must be about the very next frame, which was not due.

const SETTLED = 40; // milliseconds without another callback after which it is looked whether the element stands
const HOPELESS = 30; // so many pictures without proof in a row: this machine is too slow for it
const PROMPT = 10; // milliseconds after the beginning of a repaint in which nothing new is due, at 60 repaints a second

export const METHOD = {
  videoFrame: 'video-frame',
  mediaTime: 'media-time',
  mediaTimeDisplayed: 'media-time-displayed',
};

export class PictureTap {
  #video;
  #take;
  #hopeless;
  #callback = 0;
  #repaint = 0;
  #pending = null; // what the newest callback told of and, where it waits for its proof, the copy
  #timer = 0;
  #spare = [];
  #unproved = 0;
  #step;

  /**
   * `method`: one of METHOD. take(picture, seconds): the picture is the receiver's, who calls its close() when done.
   * hopeless(): none will come.
   */
  constructor(video, method, take, hopeless) {
    this.#video = video;
    this.#take = take;
    this.#hopeless = hopeless;
    this.#step = {
      [METHOD.videoFrame]: () => this.#stamped(),
      [METHOD.mediaTime]: (now, meta) => this.#copied(meta),
      [METHOD.mediaTimeDisplayed]: (now, meta) => this.#displayed(now, meta),
    }[method];
    this.#arm();
  }

  /** The methods that this browser has on this page, the best first. */
  static get methods() {
    if (!('requestVideoFrameCallback' in HTMLVideoElement.prototype)) return [];
    return Object.values(METHOD).filter((method) => method !== METHOD.videoFrame || 'VideoFrame' in window);
  }

  close() {
    this.#video.cancelVideoFrameCallback(this.#callback);
    cancelAnimationFrame(this.#repaint);
    clearTimeout(this.#timer);
    this.#pending = null;
  }

  #arm() {
    this.#callback = this.#video.requestVideoFrameCallback((now, meta) => {
      this.#arm();
      this.#step(now, meta);
    });
  }

  #stamped() {
    let picture;
    try {
      picture = new VideoFrame(this.#video);
    } catch {
      return; // the element has just let go of its picture; another callback follows
    }
    this.#take(picture, picture.timestamp / 1e6);
  }

  #copied(meta) {
    if (!this.#prove((last) => meta.presentedFrames === last.number + 1 && meta.presentationTime > last.takenAt)) return;
    this.#pending = { time: meta.mediaTime, number: meta.presentedFrames, picture: this.#copy(), takenAt: performance.now() };
    this.#settle(this.#pending);
  }

  #displayed(now, meta) {
    const due = meta.expectedDisplayTime <= now;
    if (!this.#prove((last) => !due && meta.presentedFrames === last.number + 1 && now > last.takenAt)) return;
    const told = { time: meta.mediaTime, number: meta.presentedFrames, picture: null, takenAt: 0 };
    this.#pending = told;
    this.#settle(told);
    if (this.#video.seeking) return; // Firefox may have no picture at all at this moment
    if (!due) {
      this.#copyAt(meta.expectedDisplayTime, told);
      return;
    }
    const picture = this.#copy();
    if (performance.now() - now > PROMPT) {
      picture.close();
      return;
    }
    this.#done(picture, told.time);
  }

  #copyAt(moment, told) {
    cancelAnimationFrame(this.#repaint);
    this.#repaint = requestAnimationFrame((now) => {
      if (told !== this.#pending || this.#video.seeking) return;
      if (now < moment) {
        this.#copyAt(moment, told);
        return;
      }
      told.picture = this.#copy();
      told.takenAt = performance.now();
    });
  }

  /** Hands on the picture that waits if `proof(it)` holds. False: there have been too many without proof. */
  #prove(proof) {
    const last = this.#pending;
    this.#pending = null;
    if (!last) return true;
    if (last.picture && proof(last)) {
      this.#done(last.picture, last.time);
      return true;
    }
    last.picture?.close();
    this.#unproved += 1;
    if (this.#unproved < HOPELESS) return true;
    this.#hopeless();
    return false;
  }

  #done(picture, time) {
    clearTimeout(this.#timer);
    this.#pending = null;
    this.#unproved = 0;
    this.#take(picture, time);
  }

  // Where no further callback comes because the element stands, the newest one was about the picture that it shows.
  #settle(pending) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(async () => {
      if (!this.#video.paused) {
        this.#settle(pending);
        return;
      }
      // A callback that is due comes with the next repaint.
      await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
      if (pending !== this.#pending) return;
      if (!this.#video.paused || this.#video.seeking) {
        this.#settle(pending);
        return;
      }
      pending.picture?.close();
      this.#done(this.#copy(), pending.time);
    }, SETTLED);
  }

  #copy() {
    const picture = this.#canvas();
    picture.getContext('2d').drawImage(this.#video, 0, 0, picture.width, picture.height);
    return picture;
  }

  #canvas() {
    const canvas = this.#spare.pop() ?? document.createElement('canvas');
    canvas.close = () => this.#spare.push(canvas);
    canvas.width = this.#video.videoWidth;
    canvas.height = this.#video.videoHeight;
    return canvas;
  }
}
