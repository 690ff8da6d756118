// The camera's way to the server as JPEG pictures over a WebSocket: for networks through which WebRTC does not get. Each
// picture is answered in order, and no more than two are without an answer.

import { ADDRESS, EVENT, SAY, readEvent } from './protocol.js';
import { SentPictures } from './sent-pictures.js';

const UNANSWERED = 2;
const QUALITY = 0.8;
const ASK = 1000; // the socket tells how it goes only when asked, and a silent page is taken for gone
const OPEN = 6000;
const SILENT = 10_000;

export class JpegLink {
  name = 'jpeg';
  id = null;
  size;
  #hooks;
  #sent;
  #socket;
  #number = 0; // of the next picture, as the server counts them
  #answered = 0;
  #encoding = false;
  #paused = false;
  #over = false;
  #up = false;
  #watch;
  #heardAt = performance.now();
  #frames = 0;

  /** As those of RtcLink. */
  constructor({ size, query, hooks }) {
    this.size = size;
    this.#hooks = hooks;
    this.#sent = new SentPictures(size.width, size.height);
    this.#socket = new WebSocket(ADDRESS.camera(query));
    this.#socket.onopen = () => this.#say(SAY.status);
    this.#socket.onmessage = ({ data }) => this.#take(readEvent(data));
    this.#socket.onclose = () => this.#down();
    this.#watch = setInterval(() => this.#look(), ASK);
  }

  get lost() {
    return this.#sent.lost;
  }

  get proved() {
    return this.#frames > 0;
  }

  offer(video, at) {
    if (!this.#up || this.#paused || this.#encoding || this.#number - this.#answered >= UNANSWERED) return false;
    const number = this.#number;
    const picture = this.#sent.keep(video, number, at);
    if (!picture) return false;
    this.#encoding = true;
    picture.toBlob((bytes) => this.#send(number, bytes), 'image/jpeg', QUALITY);
    return true;
  }

  pause() {
    this.#paused = true;
    this.#say(SAY.pause);
  }

  resume() {
    this.#paused = false;
    this.#sent.clear();
    this.#say(SAY.resume);
  }

  close() {
    this.#over = true;
    clearInterval(this.#watch);
    this.#socket.close();
    this.#sent.clear();
  }

  #send(number, bytes) {
    this.#encoding = false;
    if (this.#over) return;
    if (!bytes || this.#paused || this.#socket.readyState !== WebSocket.OPEN) {
      this.#sent.letGo(number);
      return;
    }
    this.#number += 1;
    this.#socket.send(bytes);
  }

  #take(event) {
    if (this.#over || !event) return;
    this.#heardAt = performance.now();
    if (event.type === EVENT.status) this.#status(event);
    else if (event.frame === undefined) this.#hooks.event(event, null);
    else this.#answer(event);
  }

  #status(event) {
    this.id = event.id;
    if (!this.#up) {
      this.#up = true;
      if (this.#paused) this.#say(SAY.pause);
      this.#hooks.up();
    }
    this.#hooks.event(event, null);
  }

  #answer(event) {
    this.#answered = event.frame + 1;
    if (event.type !== EVENT.frame) {
      this.#sent.letGo(event.frame);
      if (event.type === EVENT.error) this.#hooks.event(event, null);
      return;
    }
    this.#frames += 1;
    const picture = this.#sent.take(event.frame);
    if (picture && !this.#paused) this.#hooks.event(event, picture);
    else picture?.close();
  }

  #look() {
    const quiet = performance.now() - this.#heardAt;
    if (quiet > (this.#up ? SILENT : OPEN)) this.#down();
    else this.#say(SAY.status);
  }

  #down() {
    if (this.#over) return;
    this.close();
    this.#hooks.down(null);
  }

  #say(words) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(words);
  }
}
