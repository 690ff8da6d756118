// Playing one video: which source the pictures come from, and what the person asked for. The browser's decoder is tried
// first, by the method that is proven in this browser for this kind of file; where there is none or the browser cannot
// play the file, the server's pictures take over at the same frame.

import { kindOf } from './file-kind.js';
import { provenMethod } from './frame-proof.js';
import { PictureSource } from './picture-source.js';
import { ADDRESS } from './protocol.js';
import { VideoSource } from './video-source.js';

export class Player {
  playing = false;
  waiting = false;
  fromServer = false;
  method = null; // of PictureTap, or 'server'; null while it is not known
  why = null; // of pictures from the server: 'unproven', or what VideoSource says
  rate = 1;
  #element;
  #view;
  #hooks;
  #video = null; // the resource, not the element
  #track = null;
  #source = null;
  #address = null;
  #goal = -1; // where a seek goes to, while its picture has not come

  /** hooks: change() (something that the controls show), failed(words), silent(bool): no picture comes */
  constructor(element, view, hooks) {
    this.#element = element;
    this.#view = view;
    this.#hooks = hooks;
  }

  /** `file`: the very file that was uploaded, if this page still has it; it need not be fetched again. */
  open(video, track, file) {
    this.close();
    this.#video = video;
    this.#track = track;
    this.#address = file ? URL.createObjectURL(file) : null;
    this.#change({ playing: true });
    this.#choose(file);
  }

  async #choose(file) {
    const video = this.#video;
    const address = ADDRESS.source(video.id);
    const kind = await kindOf(video.content_type, file ?? address);
    const { method } = await provenMethod(kind);
    if (video !== this.#video || this.#source) return; // closed, or another one, in the meantime
    if (method === null) {
      this.#takeFromServer(kind ? 'unproven' : 'format');
      return;
    }
    this.#source = new VideoSource(this.#element, this.#track, this.#address ?? address, method, {
      ...this.#sourceHooks(),
      blocked: () => this.pause(),
      unable: (why) => this.#takeFromServer(why),
    });
    this.#change({ method, why: null });
    if (this.#goal >= 0) this.#source.seek(this.#goal);
    if (this.playing) this.#source.play();
  }

  close() {
    this.#source?.close();
    this.#source = null;
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = null;
    this.#goal = -1;
    this.#video = null;
    this.#change({ playing: false, waiting: false, fromServer: false, method: null, why: null, rate: 1 });
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    if (!this.#video) return;
    if (this.#track.complete && this.frame >= this.#track.length - 1 && this.#track.length > 1) this.#go(0);
    this.#source?.play();
    this.#change({ playing: true });
  }

  pause() {
    this.#source?.pause();
    this.#change({ playing: false });
  }

  /** Seconds are cut to what is detected. */
  seek(seconds) {
    if (this.#video && this.#track.length) this.#go(this.#track.frameAt(Math.max(0, seconds)));
  }

  step(count) {
    if (!this.#video || !this.#track.length) return;
    if (this.playing) this.pause();
    this.#go(Math.max(0, Math.min(this.#track.length - 1, this.frame + count)));
  }

  /** The frame that is shown, or is about to be. */
  get frame() {
    return this.#goal >= 0 ? this.#goal : this.#view.frame;
  }

  /** New frames are known. */
  grew() {
    this.#source?.grew();
  }

  pace(detectFps, frameRate) {
    const rate = this.#source?.pace(detectFps, frameRate) ?? 1;
    if (Math.abs(rate - this.rate) > 0.04 || (rate === 1 && this.rate !== 1)) this.#change({ rate });
  }

  #go(frame) {
    this.#goal = frame;
    this.#source?.seek(frame);
  }

  #sourceHooks() {
    return {
      show: (frame, picture) => {
        if (frame === this.#goal || this.playing) this.#goal = -1;
        this.#view.show(frame, picture);
        this.#hooks.change();
      },
      waiting: (waiting) => this.#change({ waiting }),
      ended: () => this.#change({ playing: false, waiting: false }),
      failed: (words) => this.#hooks.failed(words),
      silent: (silent) => this.#hooks.silent(silent),
    };
  }

  #takeFromServer(why) {
    if (this.fromServer) return;
    const from = Math.max(0, this.frame);
    this.#source?.close();
    this.fromServer = true;
    this.#source = new PictureSource(this.#video.id, this.#track, from, this.#sourceHooks());
    if (this.playing) this.#source.play();
    this.#change({ waiting: false, method: 'server', why, rate: 1 });
  }

  #change(what) {
    Object.assign(this, what);
    this.#hooks.change();
  }
}
