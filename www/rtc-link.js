// The camera's way to the server by WebRTC (WHIP): pictures go as video, each with its number in a frame mark below it, and
// events come back on a data channel, with the number of the picture that they are about.

import { ApiError, endSession, pushOffer } from './api.js';
import { drawMark } from './mark.js';
import { EVENT, SAY, readEvent } from './protocol.js';
import { SentPictures } from './sent-pictures.js';

const GATHER = 1500; // milliseconds for all ICE candidates
const ANSWER = 6000; // for the server's answer
const CONNECT = 4000; // from the answer to an open data channel
const LOOK = 500;
const PING = 2000;
const DISCONNECTED = 3000; // ICE may come back by itself until then
const SILENT = 6000; // nothing at all from the server, which speaks once a second
const FRAMELESS = 8000; // pictures are sent, and no frame is told of
const MARK = 30; // the mark is a 30th of the picture's height: enough lines to outlive compression and scaling
const RATE = 30;

export class RtcLink {
  name = 'webrtc';
  id = null;
  size;
  #hooks;
  #sent;
  #canvas = document.createElement('canvas');
  #pen;
  #rows;
  #connection = null;
  #channel = null;
  #stream = null;
  #location = null;
  #number = 0;
  #up = false;
  #over = false;
  #paused = false;
  #off = new AbortController();
  #watch = 0;
  #pingAt = 0;
  #heardAt = 0;
  #waitsSince = 0; // when the first picture was sent that nothing has been told of, nor of a later one
  #frames = 0;
  #brokenAt = 0;

  static get possible() {
    return 'RTCPeerConnection' in window && 'captureStream' in HTMLCanvasElement.prototype;
  }

  /**
   * size: { width, height } of the camera's pictures; query: model, threshold, name; codec: the only one to be offered.
   * hooks: up(), event(event, picture or null), down(what the server said, or null where the way is shut or lost).
   */
  constructor({ size, query, codec, iceServers, hooks }) {
    this.size = size;
    this.#hooks = hooks;
    this.#sent = new SentPictures(size.width, size.height);
    this.#rows = 2 * Math.ceil(size.height / MARK / 2);
    this.#canvas.width = size.width;
    this.#canvas.height = size.height + this.#rows;
    this.#pen = this.#canvas.getContext('2d', { alpha: false });
    this.#open({ ...query, mark: `${this.#rows}/${this.#canvas.height}` }, codec, iceServers).catch((error) => this.#down(error));
  }

  get lost() {
    return this.#sent.lost;
  }

  /** Sends what the video shows. False: there was no room for it. */
  offer(video, at) {
    if (!this.#up || this.#paused) return false;
    const picture = this.#sent.keep(video, this.#number, at);
    if (!picture) return false;
    const { width, height } = this.size;
    this.#pen.drawImage(picture, 0, 0);
    drawMark(this.#pen, this.#number, width, height, this.#rows);
    this.#number = (this.#number + 1) & 0xffff;
    this.#waitsSince ||= picture.sentAt;
    const [track] = this.#stream.getVideoTracks();
    if (track.requestFrame) track.requestFrame();
    else this.#stream.requestFrame?.();
    return true;
  }

  pause() {
    this.#paused = true;
    this.#waitsSince = 0;
    this.#sent.clear();
    this.#say(SAY.pause);
  }

  resume() {
    this.#paused = false;
    this.#say(SAY.resume);
  }

  close() {
    this.#over = true;
    this.#off.abort();
    clearInterval(this.#watch);
    this.#channel?.close();
    this.#connection?.close();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    if (this.#location) endSession(this.#location);
    this.#location = null;
    this.#sent.clear();
  }

  async #open(query, codec, iceServers) {
    const connection = new RTCPeerConnection({ iceServers });
    this.#connection = connection;
    this.#channel = connection.createDataChannel('detections');
    this.#channel.onmessage = ({ data }) => this.#take(readEvent(data));
    this.#channel.onclose = () => this.#down(null);
    // Frames are put into it by hand where the browser can; else it looks at the canvas as often as a camera would.
    this.#stream = this.#canvas.captureStream(0);
    const [track] = this.#stream.getVideoTracks();
    if (!track.requestFrame && !this.#stream.requestFrame) this.#stream = this.#canvas.captureStream(RATE);
    const transceiver = connection.addTransceiver(this.#stream.getVideoTracks()[0], {
      direction: 'sendonly',
      streams: [this.#stream],
    });
    if (codec) prefer(transceiver, codec);
    await connection.setLocalDescription(await connection.createOffer());
    await gathered(connection);
    if (this.#over) return;
    const { sdp, location } = await this.#push(query, connection.localDescription.sdp);
    if (this.#over) {
      if (location) endSession(location);
      return;
    }
    this.#location = location;
    this.id = location?.split('/').pop() ?? null;
    await connection.setRemoteDescription({ type: 'answer', sdp });
    if (this.#over) return;
    const deadline = performance.now() + CONNECT;
    this.#watch = setInterval(() => this.#look(deadline), LOOK);
    this.#channel.onopen = () => this.#look(deadline);
    connection.onconnectionstatechange = () => this.#look(deadline);
    this.#look(deadline);
  }

  async #push(query, sdp) {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#off.abort();
    }, ANSWER);
    try {
      return await pushOffer(query, sdp, this.#off.signal);
    } catch (error) {
      throw late ? null : error; // a server that takes so long is there, but does not get WebRTC done
    } finally {
      clearTimeout(timer);
    }
  }

  #look(deadline) {
    if (this.#over) return;
    const now = performance.now();
    const { connectionState: state } = this.#connection;
    if (state === 'failed' || state === 'closed') return this.#down(null);
    if (!this.#up) {
      if (state === 'connected' && this.#channel.readyState === 'open') this.#opened(now);
      else if (now > deadline) this.#down(null);
      return;
    }
    if (state === 'connected') this.#brokenAt = 0;
    else this.#brokenAt ||= now;
    const broken = this.#brokenAt && now - this.#brokenAt > DISCONNECTED;
    const deaf = now - this.#heardAt > SILENT;
    const frameless = this.#waitsSince && now - this.#waitsSince > FRAMELESS;
    if (broken || deaf || frameless) return this.#down(null);
    if (now - this.#pingAt < PING) return;
    this.#pingAt = now;
    this.#say(SAY.ping);
  }

  #opened(now) {
    this.#up = true;
    this.#heardAt = now;
    if (this.#paused) this.#say(SAY.pause);
    this.#hooks.up();
  }

  #take(event) {
    if (this.#over || !event) return;
    this.#heardAt = performance.now();
    if (event.type !== EVENT.frame) {
      if (event.type === EVENT.end) this.#down(null);
      else this.#hooks.event(event, null);
      return;
    }
    this.#waitsSince = 0;
    this.#frames += 1;
    const picture = event.mark === undefined ? null : this.#sent.take(event.mark);
    if (picture) this.#hooks.event(event, picture);
  }

  /** Whether it has ever brought the detections of a frame. */
  get proved() {
    return this.#frames > 0;
  }

  #down(error) {
    if (this.#over) return;
    this.close();
    this.#hooks.down(error instanceof ApiError ? error : null);
  }

  #say(words) {
    if (this.#channel?.readyState === 'open') this.#channel.send(words);
  }
}

function prefer(transceiver, codec) {
  const all = RTCRtpSender.getCapabilities?.('video')?.codecs ?? [];
  const is = (name) => ({ mimeType }) => mimeType.toLowerCase() === `video/${name}`;
  const wanted = all.filter(is(codec.toLowerCase()));
  if (wanted.length) transceiver.setCodecPreferences([...wanted, ...all.filter(is('rtx'))]);
}

// Complete, or as far as it gets in time: a STUN server that does not answer holds up nobody.
const gathered = (connection) =>
  new Promise((resolve) => {
    const look = () => connection.iceGatheringState === 'complete' && resolve();
    connection.onicegatheringstatechange = look;
    setTimeout(resolve, GATHER);
    look();
  });
