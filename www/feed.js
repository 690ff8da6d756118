// The events of one video, without a gap: past ones, then live ones. When the socket breaks it comes back by itself, with
// growing pauses, and asks for the first frame that is missing.

import { ADDRESS, EVENT, readEvent } from './protocol.js';

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8000;

export class Feed {
  #id;
  #track;
  #hooks;
  #socket = null;
  #timer = 0;
  #pause = FIRST_PAUSE;
  #over = false;

  /** hooks: frames(), status(video), recording(it), error(words), end(), lost(), back() */
  constructor(id, track, hooks) {
    this.#id = id;
    this.#track = track;
    this.#hooks = hooks;
    this.#open();
  }

  close() {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #open() {
    const socket = new WebSocket(ADDRESS.events(this.#id, this.#track.length));
    this.#socket = socket;
    let silent = true;
    socket.onmessage = ({ data }) => {
      if (this.#over || socket !== this.#socket) return;
      if (silent) {
        silent = false;
        this.#pause = FIRST_PAUSE;
        this.#hooks.back();
      }
      this.#take(readEvent(data));
    };
    socket.onclose = () => {
      if (this.#over || socket !== this.#socket) return;
      this.#hooks.lost();
      this.#again();
    };
  }

  #take(event) {
    switch (event?.type) {
      case EVENT.frame:
        if (this.#track.add(event)) this.#hooks.frames();
        // A repeated frame is harmless. A missing one is not: ask again from the first that is missing.
        else if (event.frame > this.#track.length) this.#socket.close();
        break;
      case EVENT.status:
        this.#hooks.status(event.video ?? event);
        break;
      case EVENT.recording:
        this.#hooks.recording(event.recording ?? event);
        break;
      case EVENT.error:
        this.#hooks.error(String(event.detail ?? ''));
        break;
      case EVENT.dropped:
        this.#socket.close();
        break;
      case EVENT.end:
        this.#over = true;
        this.#socket.close();
        this.#hooks.end();
        break;
      default: // a later server may say more than this page knows
    }
  }

  #again() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }
}
