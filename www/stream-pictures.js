// A stream's pictures from the server: for each its frame event, then the JPEG of exactly that frame. The page asks for the
// next one when one is drawn, so a slow page or network gets fewer pictures and never old ones.

import { ADDRESS, EVENT, more, readEvent } from './protocol.js';

const AHEAD = 2; // one is drawn while the next is under way
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8000;

export class StreamPictures {
  #address;
  #hooks;
  #socket = null;
  #pause = FIRST_PAUSE;
  #timer = 0;
  #over = false;

  /** hooks: show(event, picture): the picture is the receiver's; ended() */
  constructor(id, width, hooks) {
    this.#address = ADDRESS.streamPictures(id, width);
    this.#hooks = hooks;
    this.#open();
  }

  close() {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #open() {
    const socket = new WebSocket(this.#address);
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    let event = null;
    socket.onopen = () => socket.send(more(AHEAD));
    socket.onmessage = ({ data }) => {
      if (this.#over) return;
      if (typeof data !== 'string') {
        this.#take(socket, event, data);
        return;
      }
      const told = readEvent(data);
      if (told?.type === EVENT.frame) event = told;
      else if (told?.type === EVENT.end) this.#ended();
    };
    socket.onclose = () => {
      if (this.#over) return;
      this.#timer = setTimeout(() => this.#open(), this.#pause);
      this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    };
  }

  async #take(socket, event, bytes) {
    const picture = await createImageBitmap(new Blob([bytes], { type: 'image/jpeg' })).catch(() => null);
    if (this.#over) {
      picture?.close();
      return;
    }
    this.#pause = FIRST_PAUSE;
    if (picture && event) this.#hooks.show(event, picture);
    requestAnimationFrame(() => socket.readyState === WebSocket.OPEN && socket.send(more(1)));
  }

  #ended() {
    this.close();
    this.#hooks.ended();
  }
}
