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

/** True while the server still works, or will work, on the video. */
export const isActive = (state) => state === STATE.queued || state === STATE.running;

const part = encodeURIComponent;

export const ADDRESS = Object.freeze({
  models: '/api/models',
  session: '/api/session',
  sample: '/sample.mp4',
  videos: (query = {}) => withQuery('/api/videos', query),
  video: (id) => `/api/videos/${part(id)}`,
  source: (id) => `/api/videos/${part(id)}/source`,
  cancel: (id) => `/api/videos/${part(id)}/cancel`,
  retry: (id) => `/api/videos/${part(id)}/retry`,
  recordings: (id) => `/api/videos/${part(id)}/recordings`,
  recording: (id) => `/api/recordings/${part(id)}`,
  recordingFile: (id) => `/api/recordings/${part(id)}/file`,
  events: (id, from) => socket(withQuery(`/api/videos/${part(id)}/events`, { from })),
  pictures: (id, from) => socket(withQuery(`/api/videos/${part(id)}/pictures`, { from })),
});

/** Credits for the pictures socket: the server sends that many more pictures and then waits. */
export const more = (count) => JSON.stringify({ type: 'more', count });

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
