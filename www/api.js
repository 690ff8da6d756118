// Calls to the server that are answered once. Each failure becomes an ApiError whose message a person can read.

import { t } from './i18n.js';
import { ADDRESS } from './protocol.js';
import { said } from './said.js';

const PATIENCE = 8000; // milliseconds

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status; // 0: no answer came at all
  }
}

export const listModels = () => call('GET', ADDRESS.models);
export const listVideos = (query) => call('GET', ADDRESS.videos(query));
export const getVideo = (id) => call('GET', ADDRESS.video(id));
export const deleteVideo = (id) => call('DELETE', ADDRESS.video(id));
export const cancelVideo = (id) => call('POST', ADDRESS.cancel(id));
export const retryVideo = (id) => call('POST', ADDRESS.retry(id));
export const listCopies = (id) => call('GET', ADDRESS.recordings(id));
export const deleteRecording = (id) => call('DELETE', ADDRESS.recording(id));
export const startRecording = (id, choice) => call('POST', ADDRESS.recordings(id), choice);
export const getSession = () => call('GET', ADDRESS.session);
export const signOut = () => call('DELETE', ADDRESS.session);
export const getRecording = (id) => call('GET', ADDRESS.recording(id));
export const stopRecording = (id) => call('POST', ADDRESS.stopRecording(id));
export const getSettings = () => call('GET', ADDRESS.settings);
export const listStreams = (query) => call('GET', ADDRESS.streams(query));
export const addStream = (wish) => call('POST', ADDRESS.streams(), wish);
export const deleteStream = (id) => call('DELETE', ADDRESS.stream(id));
export const pauseStream = (id) => call('POST', ADDRESS.pauseStream(id));
export const resumeStream = (id) => call('POST', ADDRESS.resumeStream(id));
export const recordStream = (id, choice) => call('POST', ADDRESS.streamRecordings(id), choice);
export const listRecordings = (id, query) => call('GET', ADDRESS.streamRecordings(id, query));

/** Whether the server answers, within a time in which a person would say that it does. */
export async function isReachable() {
  try {
    return (await fetch(ADDRESS.alive, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) })).ok;
  } catch {
    return false;
  }
}

/** The sample video as the file it would be had a person chosen it. */
export const fetchSample = () => fetchFile(ADDRESS.sample);

/** The sample picture likewise. */
export const fetchSamplePicture = () => fetchFile(ADDRESS.samplePicture);

/** The file at an address of this server. */
export async function fetchFile(path) {
  const answer = await reach(path, {});
  if (!answer.ok) throw refusal(answer.status, await answer.text());
  const bytes = await answer.blob();
  return new File([bytes], path.split('/').pop(), { type: bytes.type });
}

/** What is in a picture; `signal` ends the waiting. */
export async function askImage(body, query, signal) {
  const headers = { accept: 'application/json', 'content-type': body.type };
  return read(await reach(ADDRESS.images(query), { method: 'POST', headers, body, signal }));
}

/** Sends a WebRTC offer (WHIP): the answer, and where the session is ended. */
export async function pushOffer(query, sdp, signal) {
  const init = { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: sdp, signal };
  const answer = await reach(ADDRESS.whip(query), init);
  const text = await answer.text().catch(() => '');
  if (!answer.ok) throw refusal(answer.status, text);
  return { sdp: text, location: answer.headers.get('location') };
}

/** Ends a WebRTC session. It is sent even while the page goes away, and nobody waits for the answer. */
export const endSession = (location) => fetch(location, { method: 'DELETE', keepalive: true }).catch(() => {});

/** The words of a refusal: the `detail` of the problem document, or the best that the status alone allows. */
export function refusal(status, body) {
  if (status === 401) toSignIn();
  let problem = null;
  try {
    problem = JSON.parse(body);
  } catch {
    // not one of our answers: a proxy in between, for example
  }
  const words = problem?.detail || problem?.title;
  if (words) return new ApiError(status, said(words));
  return new ApiError(status, t('error.status', { status }));
}

/** The session has ended: opens the sign-in page, which leads back here. Handlers that ask before leaving are notified first. */
function toSignIn() {
  document.dispatchEvent(new Event('sg-signed-out'));
  const here = location.pathname + location.search;
  location.assign(`/signin?next=${encodeURIComponent(here)}`);
}

export const noAnswer = () => new ApiError(0, t('error.network'));

async function call(method, path, body) {
  const init = { method, headers: { accept: 'application/json' } };
  if (body !== undefined) {
    init.headers['content-type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  return read(await reach(path, init));
}

/** The JSON of an answer, or null of an empty one. */
async function read(answer) {
  const text = await answer.text().catch(() => '');
  if (!answer.ok) throw refusal(answer.status, text);
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError(answer.status, t('error.status', { status: answer.status }));
  }
}

async function reach(path, init) {
  try {
    return await fetch(path, init);
  } catch {
    throw noAnswer();
  }
}
