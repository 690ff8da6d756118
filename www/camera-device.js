// The visitor's own camera: opening it, choosing one, and knowing when it goes away.

const FIRST = 2000; // milliseconds for a camera's first picture
const SILENT = 1000; // milliseconds without a callback after which pictures are looked for at each repaint

// Asked for one after the other, while the browser says that no camera is like this.
function* wishes({ device, facing, width, height }) {
  const size = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 30 } };
  if (device) yield { ...size, deviceId: { exact: device } };
  if (facing) yield { ...size, facingMode: { ideal: facing } };
  yield size;
  yield true;
}

// The keys of words-*.js for what browsers say.
const TROUBLE = {
  NotAllowedError: 'camera.refused',
  SecurityError: 'camera.refused',
  NotFoundError: 'camera.none',
  OverconstrainedError: 'camera.none',
  NotReadableError: 'camera.busy',
  AbortError: 'camera.busy',
};

export class Camera {
  #video;
  #hooks;
  #stream = null;
  #turn = 0;

  /** hooks: gone() (unplugged, or taken back by the system), changed(): cameras came or went */
  constructor(video, hooks) {
    this.#video = video;
    this.#hooks = hooks;
    navigator.mediaDevices?.addEventListener?.('devicechange', () => hooks.changed());
  }

  /** Browsers give cameras only to pages over HTTPS or from the machine itself. */
  static get possible() {
    return window.isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);
  }

  /** wish: { device, facing, width, height }. False: something else was wanted in the meantime. */
  async open(wish) {
    this.close(); // a phone does not open its second camera while the first is open
    const turn = this.#turn;
    const stream = await this.#ask(wish);
    if (turn !== this.#turn) {
      stop(stream);
      return false;
    }
    this.#stream = stream;
    const [track] = stream.getVideoTracks();
    track.onended = () => turn === this.#turn && this.#hooks.gone();
    this.#video.srcObject = stream;
    // Refused where a page may not play by itself; it is muted, so only some savers of data do that. A camera that gives no
    // picture never plays: the page goes on, and says so.
    await Promise.race([this.#video.play().catch(() => {}), new Promise((resolve) => setTimeout(resolve, FIRST))]);
    return turn === this.#turn;
  }

  close() {
    this.#turn += 1;
    if (this.#stream) stop(this.#stream);
    this.#stream = null;
    this.#video.srcObject = null;
  }

  /** What is open: { device, facing, name }, as far as the browser says. */
  get current() {
    const track = this.#stream?.getVideoTracks()[0];
    const { deviceId = '', facingMode = '' } = track?.getSettings?.() ?? {};
    return { device: deviceId, facing: facingMode, name: track?.label ?? '' };
  }

  /** The cameras; their names are only told once one was allowed. */
  async list() {
    const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    return all.filter(({ kind }) => kind === 'videoinput').map(({ deviceId, label }) => ({ device: deviceId, name: label }));
  }

  async #ask(wish) {
    let last;
    for (const video of wishes(wish)) {
      try {
        return await navigator.mediaDevices.getUserMedia({ audio: false, video });
      } catch (error) {
        last = error;
        if (error.name !== 'OverconstrainedError' && !(wish.device && error.name === 'NotFoundError')) break;
      }
    }
    throw last;
  }
}

/** The key of the words for what getUserMedia said. */
export const troubleOf = (error) => TROUBLE[error?.name] ?? 'camera.failed';

function stop(stream) {
  for (const track of stream.getTracks()) {
    track.onended = null;
    track.stop();
  }
}

/** Calls `act(at)` for each new picture of a playing <video>, `at` being when it was taken (performance.now()). */
export function eachPicture(video, act) {
  let over = false;
  let called = false;
  let last = -1;
  const frame = (now, meta) => {
    if (over) return;
    called = true;
    video.requestVideoFrameCallback(frame);
    // Not every browser knows when the camera gave it; then it is when the page got it.
    const taken = meta.captureTime;
    act(taken > 0 && taken <= now && now - taken < 1000 ? taken : Math.min(now, performance.now()));
  };
  const repaint = (now) => {
    if (over || called) return;
    requestAnimationFrame(repaint);
    if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || video.currentTime === last) return;
    last = video.currentTime;
    act(now);
  };
  if ('requestVideoFrameCallback' in video) {
    video.requestVideoFrameCallback(frame);
    // WebKitGTK has it, but never calls where it paints without a GPU.
    setTimeout(() => requestAnimationFrame(repaint), SILENT);
  } else {
    requestAnimationFrame(repaint);
  }
  return () => (over = true);
}
