// What the server says and what the page says back: the mirror of src/event.rs and docs/ref/api.md.
// Everything that knows the name of an event, a state or an address stands here.

export const EVENT = Object.freeze({
  frame: 'frame',
  status: 'status',
  dropped: 'dropped',
  recording: 'recording',
  error: 'error',
  end: 'end',
});

export const STATE = Object.freeze({
  queued: 'queued',
  running: 'running',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
});

export const RECORDING = Object.freeze({ queued: 'queued', encoding: 'encoding', done: 'done', failed: 'failed' });

/** States of a stream. */
export const LIVE = Object.freeze({
  connecting: 'connecting',
  live: 'live',
  paused: 'paused',
  reconnecting: 'reconnecting',
  waiting: 'waiting',
  ended: 'ended',
});

export const KIND = Object.freeze({ network: 'network' });

export const TASK = Object.freeze({ detect: 'detect', classify: 'classify' });

/** True while the server still works, or will work, on the video. */
export const isActive = (state) => state === STATE.queued || state === STATE.running;

const part = encodeURIComponent;

export const ADDRESS = Object.freeze({
  alive: '/healthz',
  models: '/api/models',
  session: '/api/session',
  sample: '/sample.mp4',
  samplePicture: '/sample.jpg',
  images: (query) => withQuery('/api/images', query),
  videos: (query = {}) => withQuery('/api/videos', query),
  video: (id) => `/api/videos/${part(id)}`,
  source: (id) => `/api/videos/${part(id)}/source`,
  cancel: (id) => `/api/videos/${part(id)}/cancel`,
  retry: (id) => `/api/videos/${part(id)}/retry`,
  recordings: (id) => `/api/videos/${part(id)}/recordings`,
  recording: (id) => `/api/recordings/${part(id)}`,
  recordingFile: (id) => `/api/recordings/${part(id)}/file`,
  stopRecording: (id) => `/api/recordings/${part(id)}/stop`,
  settings: '/api/settings',
  streams: (query = {}) => withQuery('/api/streams', query),
  stream: (id) => `/api/streams/${part(id)}`,
  pauseStream: (id) => `/api/streams/${part(id)}/pause`,
  resumeStream: (id) => `/api/streams/${part(id)}/resume`,
  streamRecordings: (id, query = {}) => withQuery(`/api/streams/${part(id)}/recordings`, query),
  streamPictures: (id, width) => socket(withQuery(`/api/streams/${part(id)}/pictures`, { width })),
  whip: (query) => withQuery('/api/streams/whip', query),
  camera: (query) => socket(withQuery('/api/camera', query)),
  events: (id, from) => socket(withQuery(`/api/videos/${part(id)}/events`, { from })),
  pictures: (id, from) => socket(withQuery(`/api/videos/${part(id)}/pictures`, { from })),
});

/** Credits for the pictures socket: the server sends that many more pictures and then waits. */
export const more = (count) => JSON.stringify({ type: 'more', count });

/** What a page says to its own camera's stream. */
export const SAY = Object.freeze({
  pause: JSON.stringify({ type: 'pause' }),
  resume: JSON.stringify({ type: 'resume' }),
  ping: JSON.stringify({ type: 'ping' }),
  status: JSON.stringify({ type: 'status' }),
});

/** One text message of the server, or null for one that this page does not know. */
export function readEvent(text) {
  let event;
  try {
    event = JSON.parse(text);
  } catch {
    return null;
  }
  return event && typeof event === 'object' && event.type in EVENT ? event : null;
}

function withQuery(path, query) {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  return pairs.length ? `${path}?${new URLSearchParams(pairs)}` : path;
}

function socket(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}
