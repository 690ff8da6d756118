// One upload of one file. XMLHttpRequest, because fetch does not tell how much has been sent.

import { ApiError, isReachable, listVideos, noAnswer, refusal } from './api.js';
import { t } from './i18n.js';
import { ADDRESS } from './protocol.js';

const SPEED_WINDOW = 3000; // milliseconds over which the speed is averaged
const PATIENCE = 8000; // milliseconds
const QUIET = 15_000; // milliseconds without progress after which the server is asked whether it is still there

class Cancelled extends Error {}

/**
 * Sends `item.file` with `item.model` and `item.threshold`. `progress({ sent, total, speed })`, speed in bytes a second.
 * Returns { video: Promise, cancel() }. `item.again`: bytes that an attempt had sent when its connection broke.
 */
export function upload(item, progress) {
  const request = new XMLHttpRequest();
  let cancelled = false;
  const cancel = () => {
    cancelled = true;
    request.abort();
  };
  const whole = async () => {
    await readable(item.file);
    const arrived = item.again >= item.file.size ? await findArrived(item) : null;
    if (arrived) return arrived;
    item.newest ??= await newestVideo();
    if (cancelled) throw new Cancelled();
    return send(request, item, progress);
  };
  return { video: whole(), cancel };
}

function send(request, { file, model, threshold }, progress) {
  let quiet = 0;
  const over = new Promise((resolve, reject) => {
    const marks = [{ at: performance.now(), sent: 0 }];
    const watch = () => {
      clearTimeout(quiet);
      quiet = setTimeout(look, QUIET);
    };
    // A network that is gone without a word breaks no connection for a long time.
    const look = async () => {
      if (await isReachable()) {
        watch();
      } else {
        reject(noAnswer());
        request.abort();
      }
    };
    request.upload.onprogress = ({ loaded }) => {
      watch();
      const now = performance.now();
      marks.push({ at: now, sent: loaded });
      while (marks.length > 2 && now - marks[0].at > SPEED_WINDOW) marks.shift();
      const seconds = (now - marks[0].at) / 1000;
      const speed = seconds > 0 ? (loaded - marks[0].sent) / seconds : 0;
      progress({ sent: loaded, total: file.size, speed });
    };
    request.onload = () => {
      if (request.status !== 201) return reject(refusal(request.status, request.responseText));
      try {
        resolve(JSON.parse(request.responseText));
      } catch {
        reject(refusal(request.status, ''));
      }
    };
    request.onerror = () => reject(noAnswer());
    request.onabort = () => reject(new Cancelled());
    watch();
  });
  request.open('POST', ADDRESS.videos({ name: file.name, model, threshold }));
  request.setRequestHeader('content-type', file.type || 'application/octet-stream');
  request.send(file);
  return over.finally(() => clearTimeout(quiet));
}

// The browser says of a file that was moved, changed or is a folder only that the request failed.
async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new ApiError(-1, t('upload.gone'));
  }
}

/** When the newest video that the server has was created, or '' where it cannot tell. */
async function newestVideo() {
  const [newest] = await someVideos(1);
  return newest?.created_at ?? '';
}

/** The newest videos, or none where the server does not tell in time: this is asked beside the upload, and must not hold it up. */
async function someVideos(limit) {
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE, { items: [] }));
  return (await Promise.race([listVideos({ limit }).catch(() => ({ items: [] })), late])).items;
}

// Everything had been sent when the connection broke: the server may have taken the video, and only its answer was lost.
async function findArrived({ file, newest = '' }) {
  const all = await someVideos(20);
  return all.find((video) => video.created_at > newest && video.bytes === file.size && video.name === file.name) ?? null;
}
