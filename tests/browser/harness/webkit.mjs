// WebKitGTK's MiniBrowser on a display of its own (Xvfb) and a message bus of its own, driven by WebKitWebDriver.

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Builder, By, Capabilities, Key } from 'selenium-webdriver';

import { PATIENCE } from './page.mjs';

const MINI = process.env.MINIBROWSER || '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser';
const KEYS = { ArrowRight: Key.ARROW_RIGHT, ArrowLeft: Key.ARROW_LEFT, Space: Key.SPACE };

export class WebKit {
  #processes = [];
  #folder;
  #driver = null;
  #url = '';

  /** `accelerated`: with the way of painting that a machine with a GPU has. */
  static async started({ accelerated = false } = {}) {
    const webkit = new WebKit();
    try {
      await webkit.#start(accelerated);
    } catch (error) {
      await webkit.stop();
      throw error;
    }
    return webkit;
  }

  async #start(accelerated) {
    this.#folder = await mkdtemp(join(tmpdir(), 'sightglass-webkit-'));
    await mkdir(join(this.#folder, '.config'));
    await mkdir(this.downloads);
    await writeFile(join(this.#folder, '.config/user-dirs.dirs'), 'XDG_DOWNLOAD_DIR="$HOME/Downloads"\n');
    const screen = this.#spawn(['Xvfb', '-displayfd', '3', '-screen', '0', '1400x1000x24', '-nolisten', 'tcp'], {});
    const display = await firstLine(screen, screen.stdio[3]);
    const port = await freePort();
    const environment = {
      DISPLAY: `:${display}`,
      HOME: this.#folder,
      XDG_RUNTIME_DIR: this.#folder,
      LANG: 'C.UTF-8',
      NO_AT_BRIDGE: '1', // no services for screen readers
      GTK_A11Y: 'none',
      GSETTINGS_BACKEND: 'memory',
      LIBGL_ALWAYS_SOFTWARE: '1',
      // Without a GPU it paints twenty times as fast in this way, but then it never calls back for a video's pictures.
      ...(accelerated ? {} : { WEBKIT_DISABLE_DMABUF_RENDERER: '1' }),
      // Its sandbox needs user namespaces, which a container has not; the pages are our own.
      WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1',
    };
    this.#spawn(['dbus-run-session', '--', 'WebKitWebDriver', `--port=${port}`], environment);
    const address = `http://127.0.0.1:${port}`;
    await answers(address);
    const wanted = new Capabilities();
    wanted.setBrowserName('MiniBrowser');
    wanted.set('webkitgtk:browserOptions', {
      binary: MINI,
      args: ['--automation', '--enable-mock-capture-devices=true', '--enable-media-stream=true', '--geometry=1280x900'],
    });
    this.#driver = await new Builder().usingServer(address).withCapabilities(wanted).build();
    await this.#driver.manage().setTimeouts({ script: PATIENCE + 10_000, pageLoad: PATIENCE });
  }

  // If the tests end unexpectedly, its standard input closes, and the whole group is ended.
  #spawn(command, environment) {
    const child = spawn('sh', ['-c', '"$@" </dev/null & cat >/dev/null; kill 0', 'sh', ...command], {
      detached: true,
      env: { ...process.env, ...environment },
      stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    });
    child.log = '';
    child.stderr.on('data', (text) => (child.log += text));
    this.#processes.unshift(child);
    return child;
  }

  async stop() {
    await this.#driver?.quit().catch(() => {});
    for (const child of this.#processes) {
      const gone = child.exitCode !== null || child.signalCode !== null ? null : new Promise((resolve) => child.once('exit', resolve));
      child.stdin.end();
      await gone;
    }
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async go(url) {
    await this.#driver.get(url);
    this.#url = url;
  }

  /** Where it puts what is saved. */
  get downloads() {
    return join(this.#folder, 'Downloads');
  }

  /** The value of an expression, awaited. */
  async run(expression) {
    const answer = await this.#driver.executeAsyncScript(`
      const done = arguments[arguments.length - 1];
      (async () => (${expression}))().then(
        (value) => done(JSON.stringify({ value, url: location.href })),
        (error) => done(JSON.stringify({ error: String(error) })),
      );`);
    const { value, error, url } = JSON.parse(answer);
    if (error) throw new Error(error);
    this.#url = url;
    return value;
  }

  url() {
    return this.#url;
  }

  async setFiles(css, files) {
    await this.#driver.findElement(By.css(css)).sendKeys(files.join('\n'));
  }

  async press(key) {
    await this.#driver.actions().sendKeys(KEYS[key] ?? key).perform();
  }

  async screenshot() {
    return Buffer.from(await this.#driver.takeScreenshot(), 'base64');
  }
}

function firstLine(child, stream) {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => reject(new Error(`no answer in time\n${child.log}`)), PATIENCE);
    child.once('exit', (code) => reject(new Error(`ended with ${code}\n${child.log}`)));
    child.once('error', reject);
    stream.on('data', (more) => {
      text += more;
      if (!text.includes('\n')) return;
      clearTimeout(timer);
      resolve(text.trim());
    });
  });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function answers(address) {
  const late = Date.now() + PATIENCE;
  while (!(await fetch(`${address}/status`).then((answer) => answer.ok, () => false))) {
    if (Date.now() > late) throw new Error(`${address} does not answer`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
