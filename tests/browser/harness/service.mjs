// The service under test: started on a free port with a folder of its own, and ended with the test.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const ROOT = new URL('../../..', import.meta.url).pathname;
export const fixture = (name) => join(ROOT, 'fixtures', name);

/** The detector of drawn shapes: where they are in the tests' pictures is known exactly. */
export const SHAPES = fixture('models/shapes');
/** What a user gets who says nothing about models. */
export const SHIPPED = ['--models', join(ROOT, 'models')];
const MODELS = ['--model', SHAPES, '--model', join(ROOT, 'models/cifar10')];
const PROGRAM = process.env.SIGHTGLASS_BIN || join(ROOT, 'target/release/sightglass');
// Nothing is measured at the start, and every machine takes the same path.
const ENGINE = ['--provider', 'cpu', '--precision', 'f32', '--sessions', '2', '--threads', '1'];
const PATIENCE = 30_000;

export class Service {
  #args;
  #child = null;
  #log = '';
  #port = 0;

  /** `args`: further flags; `--model` or `--models` among them takes the place of MODELS. It is not running before `start()`. */
  constructor(args = []) {
    this.#args = args;
  }

  static async started(args) {
    const service = new Service(args);
    await service.start();
    return service;
  }

  /** Starts it, the second time on the same port and with the same data: what a restart is. */
  async start() {
    if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is not there: run make build, or set SIGHTGLASS_BIN`);
    this.data ??= await mkdtemp(join(tmpdir(), 'sightglass-browser-'));
    const models = this.#args.some((arg) => /^--models?$/.test(arg)) ? [] : MODELS;
    const args = ['serve', '--listen', `127.0.0.1:${this.#port}`, '--data', this.data];
    const child = spawn(PROGRAM, [...args, ...ENGINE, ...models, ...this.#args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.stderr.on('data', (text) => (this.#log += text));
    this.url = await new Promise((resolve, reject) => {
      let said = '';
      const timer = setTimeout(() => reject(new Error(`not ready in time\n${this.#log}`)), PATIENCE);
      child.on('exit', (code) => reject(new Error(`ended with ${code} before it was ready\n${this.#log}`)));
      child.on('error', reject);
      child.stdout.on('data', (text) => {
        said += text;
        const found = /ready: open (https?:\/\/\S+)/.exec(said);
        if (!found) return;
        clearTimeout(timer);
        resolve(found[1]);
      });
    });
    this.#port = Number(new URL(this.url).port);
  }

  /** Ends it as `kill -9` does, or by another signal. */
  async end(signal = 'SIGKILL') {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  /** Stops it in the middle of whatever it does: the slowest server there is, until `thaw()`. */
  freeze() {
    this.#child.kill('SIGSTOP');
  }

  thaw() {
    this.#child.kill('SIGCONT');
  }

  async stop() {
    await this.end();
    if (this.data) await rm(this.data, { recursive: true, force: true, maxRetries: 5 });
  }

  async json(path, init) {
    const answer = await fetch(new URL(path, this.url), init);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** The frame events of a video, as the server keeps them. */
  async detections(id) {
    const answer = await fetch(new URL(`/api/videos/${id}/detections`, this.url));
    return (await answer.text()).trim().split('\n').map((line) => JSON.parse(line));
  }
}
