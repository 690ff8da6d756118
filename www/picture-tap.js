// Takes pictures off a playing <video>, each together with its own time.
//
// requestVideoFrameCallback says which frame was on screen a moment ago; by the time that a picture is taken the element
// may already show the next one (seen: about one in a hundred). A VideoFrame carries its own time, so there it cannot
// happen. Browsers give VideoFrame only to pages over HTTPS or from the machine itself; elsewhere each picture waits until
// the next callback proves that the element had not moved on: that callback must be about the very next frame, and that
// frame must have come on after the picture was taken. A picture without that proof is thrown away.

const SETTLED = 40; // milliseconds without another callback after which it is looked whether the element stands
const HOPELESS = 30; // so many pictures without proof in a row: this machine is too slow for it

export class PictureTap {
  #video;
  #take;
  #callback = 0;
  #pending = null;
  #timer = 0;
  #spare = [];
  #unproved = 0;
  #hopeless;

  /** take(picture, time): the picture is the receiver's, who calls its close() when done. hopeless(): none will come. */
  constructor(video, take, hopeless) {
    this.#video = video;
    this.#take = take;
    this.#hopeless = hopeless;
    this.#arm();
  }

  static get possible() {
    return 'requestVideoFrameCallback' in HTMLVideoElement.prototype;
  }

  close() {
    this.#video.cancelVideoFrameCallback(this.#callback);
    clearTimeout(this.#timer);
    this.#pending = null;
  }

  #arm() {
    this.#callback = this.#video.requestVideoFrameCallback((now, meta) => {
      this.#arm();
      if ('VideoFrame' in window) this.#stamped();
      else this.#copied(meta);
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
      this.#unproved += 1;
      if (this.#unproved === HOPELESS) {
        this.#hopeless();
        return;
      }
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
