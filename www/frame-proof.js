// Which method takes pictures whose times are right in this browser? What a browser says about a picture's time is not
// believed but tried: a hidden, tiny clip whose pictures carry their number is played and sought with the very classes that
// play videos, and each picture that they would show must have the number of the frame that they take it for. One clip for
// each kind of files (file-kind.js), once for each version of the browser. docs/design/0013-frame-proof.md says why, and
// fixtures/README.md describes the clips.

import { KIND } from './file-kind.js';
import { PictureTap } from './picture-tap.js';
import { Track } from './track.js';
import { VideoSource } from './video-source.js';

/** Counts up whenever the proof, the clips or the ways of taking pictures change: what was remembered then counts no more. */
const VERSION = 1;
const REMEMBERED = 'sightglass.frame-proof';
const CLIPS = { [KIND.mp4]: '/frame-proof.mp4', [KIND.cut]: '/frame-proof-cut.mp4', [KIND.webm]: '/frame-proof.webm' };

const FRAMES = 40;
const FIRST = 5; // the number that frame 0 carries
const BITS = 8;
const BLOCK = 16;
const ENOUGH = 10; // different frames in play
const SEEKS = [30, 3, 22, 39, 14];
const STEP = 4000; // milliseconds for a seek, or for the next picture in play
const TOGETHER = 12_000; // for all methods of one kind
const CONTRAST = 64; // between the black and the white of a bit
const NONE = -100;

/** Frame n's time in seconds, in the clips and in the server's events of them. */
export const clipTime = (n) => (30 * n + 6 * ((2 * n) % 5)) / 600;

const running = new Map(); // kind → promise
let queue = Promise.resolve();

/**
 * Resolves to { method, tried }: the first of the tap's methods that was right for files of this kind, or null; `tried`
 * tells what came of each. It takes at most some seconds, and no time where it is remembered. A null `kind` has no clip.
 */
export function provenMethod(kind) {
  if (!(kind in CLIPS) || PictureTap.methods.length === 0) return Promise.resolve({ method: null, tried: {} });
  const known = recall()[kind];
  if (known) return Promise.resolve(known);
  if (!running.has(kind)) {
    // One at a time: two clips side by side would slow each other down.
    const proof = queue.then(() => prove(kind)).finally(() => running.delete(kind));
    queue = proof.catch(() => {});
    running.set(kind, proof);
  }
  return running.get(kind);
}

async function prove(kind) {
  const verdict = { method: null, tried: {} };
  const clip = await load(CLIPS[kind]);
  if (!clip) return report(kind, verdict, false);
  await visible();
  const until = performance.now() + TOGETHER;
  let final = true;
  for (const method of PictureTap.methods) {
    const result = await tryMethod(clip, method, until);
    verdict.tried[method] = result.words;
    if (result.right) verdict.method = method;
    // What came of a hidden page, a refused start or a busy machine is not for keeps: the next visit tries again.
    final = result.right || result.wrong || result.silent;
    if (!result.wrong) break;
  }
  URL.revokeObjectURL(clip);
  return report(kind, verdict, final);
}

// As a whole, so that what is tried is the browser's player and not the way to the server.
async function load(address) {
  try {
    const answer = await fetch(address);
    return answer.ok ? URL.createObjectURL(await answer.blob()) : null;
  } catch {
    return null;
  }
}

function report(kind, verdict, keep) {
  if (keep) remember(kind, verdict);
  const tried = Object.entries(verdict.tried).map(([method, words]) => `${method}: ${words}`);
  console.info(`Frame proof, ${kind}: ${verdict.method ?? 'pictures from the server'} (${tried.join('; ')})`);
  return verdict;
}

async function tryMethod(address, method, until) {
  const trial = new Trial(address, method, until);
  try {
    await trial.run();
    return { right: true, words: `right, ${trial.different} frames in play` };
  } catch (error) {
    return { wrong: error instanceof Wrong, silent: error instanceof Silent, words: error.message };
  } finally {
    trial.close();
  }
}

/** The method tells false times. */
class Wrong extends Error {}

/** The clip was played to its end and the browser told of no picture: there is no method for it. */
class Silent extends Error {}

class Trial {
  #source;
  #video;
  #until;
  #seen = new Set();
  #shown = NONE;
  #ended = false;
  #fault = null;
  #wake = () => {};

  constructor(address, method, until) {
    this.#until = until;
    this.#video = hiddenVideo();
    const hooks = {
      show: (frame, picture) => this.#show(frame, picture),
      waiting: () => {},
      ended: () => this.#note(() => (this.#ended = true)),
      blocked: () => this.#fail(new Error('the browser does not start videos by itself')),
      unable: (why) => this.#fail(why === 'times' ? new Wrong('pictures at times of no frame') : new Error(`no pictures: ${why}`)),
    };
    this.#source = new VideoSource(this.#video, clipTrack(), address, method, hooks);
  }

  /** In play from the beginning, paused, after seeks, in play from a seek on, and after a seek from the end. */
  async run() {
    this.#source.play();
    await this.#wait('play', () => this.#seen.size >= ENOUGH || this.#ended);
    if (this.#seen.size === 0) throw new Silent('no picture in play');
    this.#source.pause();
    for (const frame of SEEKS) await this.#seek(frame);
    this.#ended = false;
    this.#source.play();
    await this.#wait('the end', () => this.#ended && this.#shown === FRAMES - 1);
    await this.#seek(1);
    if (this.#seen.size < ENOUGH) throw new Error(`only ${this.#seen.size} frames in play`);
  }

  get different() {
    return this.#seen.size;
  }

  close() {
    this.#source.close();
    this.#video.remove();
  }

  // Chromium may show the frame before the one that was sought; what counts is that it is shown as what it is.
  async #seek(frame) {
    this.#shown = NONE;
    this.#source.seek(frame);
    await this.#wait(`a seek to ${frame}`, () => Math.abs(this.#shown - frame) <= 1);
  }

  #show(frame, picture) {
    const number = read(picture, this.#video);
    picture.close();
    if (number !== frame + FIRST) {
      this.#fail(new Wrong(`showed the picture of ${number - FIRST} as frame ${frame}`));
      return;
    }
    this.#note(() => {
      this.#shown = frame;
      this.#seen.add(frame);
    });
  }

  #fail(error) {
    this.#note(() => (this.#fault ??= error));
  }

  #note(change) {
    change();
    this.#wake();
  }

  // Each picture gives it another STEP.
  async #wait(what, done) {
    for (;;) {
      if (this.#fault) throw this.#fault;
      if (done()) return;
      const left = Math.min(STEP, this.#until - performance.now());
      let timer = 0;
      const inTime = await new Promise((resolve) => {
        this.#wake = () => resolve(true);
        timer = setTimeout(() => resolve(false), Math.max(0, left));
      });
      clearTimeout(timer);
      if (!inTime) throw new Error(`no picture in time: ${what}`);
    }
  }
}

// The page's own player is given a track of frames without detections.
function clipTrack() {
  const track = new Track();
  const [width, height] = [BITS * BLOCK, 4 * BLOCK];
  for (let frame = 0; frame < FRAMES; frame += 1) track.add({ frame, time: clipTime(frame), width, height, detections: [] });
  track.complete = true;
  return track;
}

// Within the window and not `display: none`, or browsers save themselves the pictures.
function hiddenVideo() {
  const video = document.createElement('video');
  Object.assign(video, { muted: true, playsInline: true, preload: 'auto', tabIndex: -1, disablePictureInPicture: true });
  Object.assign(video.style, { position: 'fixed', left: '0', bottom: '0', width: '4px', height: '2px', opacity: '0.01', pointerEvents: 'none' });
  video.setAttribute('aria-hidden', 'true');
  document.body.append(video);
  return video;
}

/** The number in a picture, or NaN: each bit is a block in the upper half and, the other way round, one in the lower. */
function read(picture, video) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  const light = (bit, top) => {
    let sum = 0;
    for (let y = top + 8; y < top + 24; y += 1) {
      for (let x = bit * BLOCK + 4; x < bit * BLOCK + 12; x += 1) sum += data[4 * (y * canvas.width + x) + 1];
    }
    return sum / 128;
  };
  let number = 0;
  for (let bit = 0; bit < BITS; bit += 1) {
    const difference = light(bit, 0) - light(bit, 2 * BLOCK);
    if (!(Math.abs(difference) >= CONTRAST)) return NaN;
    number = number * 2 + (difference > 0 ? 1 : 0);
  }
  return number;
}

function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener('visibilitychange', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
  });
}

// ---- what is remembered: for this browser, this version of the proof and the methods that this page may use

const situation = () => [VERSION, navigator.userAgent, ...PictureTap.methods].join(' | ');

function recall() {
  try {
    const { situation: then, verdicts } = JSON.parse(localStorage.getItem(REMEMBERED)) ?? {};
    return then === situation() ? verdicts : {};
  } catch {
    return {}; // storage is refused in some private modes; it is then proven on every visit
  }
}

function remember(kind, verdict) {
  try {
    localStorage.setItem(REMEMBERED, JSON.stringify({ situation: situation(), verdicts: { ...recall(), [kind]: verdict } }));
  } catch {
    // as above
  }
}
