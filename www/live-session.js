// One camera's session with the server: WebRTC first, JPEG pictures where that does not get through, and again from the
// start, with growing pauses, when the way is lost.

import { getSettings } from './api.js';
import { JpegLink } from './jpeg-link.js';
import { RtcLink } from './rtc-link.js';

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8000;
const FOR_NOW = new Set([429, 503]); // refusals that pass by themselves, or are about WebRTC alone

export class LiveSession {
  paused = false;
  running = false;
  fellBack = false; // to JPEG, because WebRTC did not get through
  #hooks;
  #query = {};
  #only = null; // the one way that the page's address asks for
  #codec = null;
  #way = 'webrtc';
  #link = null;
  #size = null;
  #ice = null;
  #timer = 0;
  #pause = FIRST_PAUSE;
  #skipped = 0;
  #refusal = null; // of WebRTC; said if JPEG is refused too, whose socket can give no reason

  /**
   * hooks: up(link), event(event, picture or null), fellBack(), lost(), refused(words, forGood)
   * `only`: `webrtc` or `jpeg`, to have no other.
   */
  constructor(hooks, { only, codec } = {}) {
    this.#hooks = hooks;
    this.#only = only;
    this.#codec = codec;
    addEventListener('online', () => this.running && this.again());
  }

  /** query: model, threshold, name. The session opens with the first picture, whose size it has to know. */
  start(query) {
    this.stop();
    this.#query = query;
    this.#skipped = 0;
    this.#pause = FIRST_PAUSE;
    this.#choose();
    this.paused = false;
    this.running = true;
  }

  stop() {
    this.running = false;
    this.#size = null;
    this.#leave();
  }

  /** From the start, because the network or the camera is another. */
  again() {
    this.#leave();
    this.#size = null;
    this.#pause = FIRST_PAUSE;
    this.#choose();
  }

  pause() {
    this.paused = true;
    this.#link?.pause();
  }

  resume() {
    this.paused = false;
    this.#link?.resume();
  }

  /** The id of the server's stream, while there is one. */
  get id() {
    return this.#link?.id ?? null;
  }

  /** Pictures of the camera that were not shown with boxes: not sent, lost on the way, or given way at the server. */
  get skipped() {
    return this.#skipped + (this.#link?.lost ?? 0);
  }

  /** A new picture of the camera. `at`: when it was taken. */
  picture(video, at) {
    const { videoWidth: width, videoHeight: height } = video;
    if (!this.running || this.paused || !width) return;
    if (this.#size && (this.#size.width !== width || this.#size.height !== height)) this.again(); // a phone was turned
    if (!this.#size) {
      this.#size = { width, height };
      this.#open();
    } else if (this.#link?.ready && !this.#link.offer(video, at)) {
      this.#skipped += 1;
    }
  }

  async #open() {
    clearTimeout(this.#timer);
    const size = this.#size;
    if (this.#way === 'webrtc' && !this.#ice) {
      const settings = await getSettings().catch(() => null); // without it, as in a network without NAT
      if (settings) this.#ice = settings.ice_servers;
      if (size !== this.#size) return;
    }
    const Link = this.#way === 'webrtc' ? RtcLink : JpegLink;
    const mine = (act) => (...all) => link === this.#link && act(...all);
    const link = new Link({
      size,
      query: this.#query,
      codec: this.#codec,
      iceServers: this.#ice ?? [],
      hooks: {
        up: mine(() => {
          link.ready = true;
          this.#hooks.up(link);
        }),
        event: mine((event, picture) => {
          if (picture) this.#pause = FIRST_PAUSE;
          this.#hooks.event(event, picture);
        }),
        down: mine((error) => this.#down(error)),
      },
    });
    this.#link = link;
    if (this.paused) link.pause();
  }

  #down(error) {
    const link = this.#link;
    this.#leave();
    const { status = -1 } = error ?? {}; // 0: the server is away, or the whole network
    if (status > 0 && status <= 404) {
      this.#hooks.refused(error.message, true);
      return;
    }
    if (link.name === 'webrtc' && !link.proved && status !== 0 && !this.#only) {
      this.#refusal = FOR_NOW.has(status) ? error : null;
      this.#way = 'jpeg';
      this.fellBack = true;
      this.#hooks.fellBack();
      this.#open();
      return;
    }
    const words = FOR_NOW.has(status) ? error.message : !link.ready && this.#refusal?.message;
    if (words) this.#hooks.refused(words, false);
    else this.#hooks.lost();
    this.#later();
    this.#choose(); // it may be another network by now
  }

  #choose() {
    this.#way = this.#only ?? (RtcLink.possible ? 'webrtc' : 'jpeg');
    this.fellBack = !this.#only && this.#way === 'jpeg';
    this.#refusal = null;
  }

  #later() {
    this.#timer = setTimeout(() => this.#open(), this.#pause);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
  }

  #leave() {
    clearTimeout(this.#timer);
    const link = this.#link;
    this.#link = null;
    if (!link) return;
    this.#skipped += link.lost;
    link.close();
  }
}
