// Takes pictures off a playing <video>, each together with its own time. Browsers differ in what can be believed about that
// time (docs/design/0013-frame-proof.md), so there are several methods; frame-proof.js finds out which one is right.
//
// - videoFrame: a VideoFrame carries its own time. Only on pages over HTTPS or from the machine itself.
// - mediaTime: the picture is copied in the callback, which tells of the picture that the element shows. The element may
//   already be at the next one (seen in Chromium: about one in a hundred), so each copy waits until the next callback
//   proves that it had not moved on: that callback must be about the very next frame, and that frame must have come on
//   after the copy was made. A copy without that proof is thrown away.
// - mediaTimeDisplayed: the callback may tell of a picture that the element is going to show (Firefox), so the copy is made
//   when that picture's expected display time has come and no callback has told of a further one.

const SETTLED = 40; // milliseconds without another callback after which it is looked whether the element stands
const HOPELESS = 30; // so many pictures without proof in a row: this machine is too slow for it
const PROMPT = 10; // milliseconds: a copy made later after the repaint began may be of a picture that has since come on
const AHEAD = 0.004; // seconds: a picture that is due by at least so much later is not shown yet

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
  #pending = null; // mediaTime: the copy that waits for its proof
  #told = null; // mediaTimeDisplayed: what the newest callback told of
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
    this.#told = null;
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
    const last = this.#pending;
    this.#pending = null;
    if (last && meta.presentedFrames === last.number + 1 && meta.presentationTime > last.takenAt) {
      this.#unproved = 0;
      this.#take(last.picture, last.time);
    } else if (last) {
      last.picture.close();
      if (this.#isHopeless()) return;
    }
    const picture = this.#copy();
    this.#pending = { picture, time: meta.mediaTime, number: meta.presentedFrames, takenAt: performance.now() };
    this.#settle(this.#pending);
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
      this.#pending = null;
      pending.picture.close();
      this.#take(this.#copy(), pending.time);
    }, SETTLED);
  }

  // A callback tells of the newest picture that is due before the next repaint. Either it is due already, and then no other
  // comes before that repaint; or it is not, and then the element still shows the one before.
  #displayed(now, meta) {
    const last = this.#told;
    const told = { time: meta.mediaTime, number: meta.presentedFrames, due: meta.expectedDisplayTime, taken: false };
    this.#told = told;
    if (told.due <= now) {
      this.#grab(told, now);
    } else if (last && !last.taken && told.number === last.number + 1) {
      const ahead = (told.time - this.#video.currentTime) / this.#video.playbackRate;
      if (ahead > AHEAD) this.#grab(last, now);
    }
    if (last && !last.taken && this.#isHopeless()) return;
    this.#await(told);
  }

  #await(told) {
    cancelAnimationFrame(this.#repaint);
    this.#repaint = requestAnimationFrame((now) => {
      if (told !== this.#told || told.taken) return;
      if (now >= told.due) this.#grab(told, now);
      if (!told.taken) this.#await(told);
    });
  }

  /** `now`: when this repaint began. */
  #grab(told, now) {
    const picture = this.#copy();
    if (performance.now() - now > PROMPT) {
      picture.close();
      return;
    }
    told.taken = true;
    this.#unproved = 0;
    this.#take(picture, told.time);
  }

  #isHopeless() {
    this.#unproved += 1;
    if (this.#unproved !== HOPELESS) return false;
    this.#hopeless();
    return true;
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
