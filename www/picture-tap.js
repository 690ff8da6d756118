// Takes pictures off a playing <video>, each together with its own time.
//
// requestVideoFrameCallback says which frame was on screen a moment ago; by the time that a picture is taken the element
// may already show the next one (seen: about one in a hundred). A VideoFrame carries its own time, so there it cannot
// happen. Browsers give VideoFrame only to pages over HTTPS or from the machine itself; elsewhere each picture waits until
// the next callback tells whether the element had moved on before it was taken.

const SETTLED = 100; // milliseconds without another callback: the element stands still

export class PictureTap {
  #video;
  #take;
  #callback = 0;
  #pending = null;
  #timer = 0;
  #spare = [];

  /** take(picture, time): the picture is the receiver's, who calls its close() when done. */
  constructor(video, take) {
    this.#video = video;
    this.#take = take;
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
    if (this.#pending && meta.presentationTime > this.#pending.takenAt) this.#give();
    else this.#pending?.picture.close();
    const picture = this.#canvas();
    picture.getContext('2d').drawImage(this.#video, 0, 0, picture.width, picture.height);
    this.#pending = { picture, time: meta.mediaTime, takenAt: performance.now() };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#give(), SETTLED);
  }

  #give() {
    const { picture, time } = this.#pending;
    this.#pending = null;
    clearTimeout(this.#timer);
    this.#take(picture, time);
  }

  #canvas() {
    const canvas = this.#spare.pop() ?? document.createElement('canvas');
    canvas.close = () => this.#spare.push(canvas);
    canvas.width = this.#video.videoWidth;
    canvas.height = this.#video.videoHeight;
    return canvas;
  }
}
