// One upload of one file. XMLHttpRequest, because fetch does not tell how much has been sent.

import { noAnswer, refusal } from './api.js';
import { ADDRESS } from './protocol.js';

const SPEED_WINDOW = 3000; // milliseconds over which the speed is averaged

export class Cancelled extends Error {}

/** `progress({ sent, total, speed })`, speed in bytes a second. Returns { video: Promise, cancel() }. */
export function upload(file, { model, threshold }, progress) {
  const request = new XMLHttpRequest();
  const video = new Promise((resolve, reject) => {
    const marks = [{ at: performance.now(), sent: 0 }];
    request.upload.onprogress = ({ loaded }) => {
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
  });
  request.open('POST', ADDRESS.videos({ name: file.name, model, threshold }));
  request.setRequestHeader('content-type', file.type || 'application/octet-stream');
  request.send(file);
  return { video, cancel: () => request.abort() };
}
