// The calls of WeChat's mini programs that docs/guide/images-over-http.md makes, on top of Node's own: enough to run that page.
import { openAsBlob, readFileSync } from 'node:fs';

const end = (options, result) => result.then(options.success, (error) => { throw error; });

globalThis.wx = {
  chooseMedia: (options) => options.success({ tempFiles: [{ tempFilePath: 'photo.jpg' }] }),
  getFileSystemManager: () => ({ readFileSync: (path, encoding) => readFileSync(path, encoding) }),
  uploadFile: (options) => end(options, (async () => {
    const body = new FormData();
    for (const [name, value] of Object.entries(options.formData ?? {})) body.append(name, value);
    body.append(options.name, await openAsBlob(options.filePath), options.filePath);
    const answer = await fetch(options.url, { method: 'POST', body });
    return { statusCode: answer.status, data: await answer.text() };
  })()),
  request: (options) => end(options, (async () => {
    const header = { 'content-type': 'application/json', ...options.header };
    const answer = await fetch(options.url, { method: options.method, headers: header, body: JSON.stringify(options.data) });
    return { statusCode: answer.status, data: await answer.json() };
  })()),
};
