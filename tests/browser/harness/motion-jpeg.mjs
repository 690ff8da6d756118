// A network camera: the numbered video as motion JPEG over HTTP, again and again, which can be stopped and started.

import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fixture } from './service.mjs';

const EVERY = 100; // milliseconds

export class MotionJpeg {
  #server = null;
  #pictures = [];
  #port = 0;

  static async started() {
    const camera = new MotionJpeg();
    const folder = await mkdtemp(join(tmpdir(), 'sightglass-mjpeg-'));
    execFileSync('ffmpeg', ['-v', 'error', '-i', fixture('numbered.mp4'), '-q:v', '2', join(folder, '%03d.jpg')]);
    for (const name of (await readdir(folder)).sort()) camera.#pictures.push(await readFile(join(folder, name)));
    await rm(folder, { recursive: true });
    await camera.start();
    return camera;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}/camera`;
  }

  /** The second time on the same port. */
  async start() {
    this.#server = createServer((request, response) => {
      response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace; boundary=next' });
      let number = 0;
      const timer = setInterval(() => {
        const picture = this.#pictures[number % this.#pictures.length];
        number += 1;
        response.write(`--next\r\nContent-Type: image/jpeg\r\nContent-Length: ${picture.length}\r\n\r\n`);
        response.write(picture);
        response.write('\r\n');
      }, EVERY);
      request.on('close', () => clearInterval(timer));
    });
    await new Promise((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = this.#server.address().port;
  }

  async stop() {
    const gone = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await gone;
  }
}
