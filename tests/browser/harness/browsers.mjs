// The three browsers of the tests behind the part of Playwright's page that the shared tests use: Chromium by Playwright,
// Firefox by Puppeteer (WebDriver BiDi), WebKitGTK by its WebDriver. All of them are Debian's.

import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import puppeteer from 'puppeteer-core';

import { PATIENCE, hook, openBrowser, openPage as openChromiumPage } from './page.mjs';
import { PlainPage } from './plain-page.mjs';
import { WebKit } from './webkit.mjs';

const FIREFOX = process.env.FIREFOX || '/usr/bin/firefox-esr';
const SIZE = { width: 1280, height: 900 };

/**
 * Each opens: { open(service, path), download(page, button, link), close() }. `open` resolves to a page with evaluate, waitForFunction, locator (evaluate,
 * click, focus, textContent, isVisible, setInputFiles), keyboard.press, screenshot, url and `faults`, what the page threw,
 * and `notes`, what it logged as information. A browser keeps what its pages store until it is closed. `download` presses
 * the button and resolves to the path of the saved file.
 */
export const BROWSERS = { chromium: openChromium, firefox: openFirefox, webkit: openWebKit };

async function openChromium() {
  const camera = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'];
  const browser = await openBrowser(camera);
  let context = null;
  const open = async (service, path = '/') => {
    await context?.close();
    const notes = [];
    const before = (page) => page.on('console', (line) => line.type() === 'info' && notes.push(line.text()));
    const page = await openChromiumPage(browser, service, { path, before });
    context = page.context();
    return Object.assign(page, { notes });
  };
  const download = async (page, button) => {
    const [file] = await Promise.all([page.waitForEvent('download'), hook(page, button).click()]);
    return file.path();
  };
  return { open, download, close: () => browser.close() };
}

async function openFirefox() {
  const folder = await mkdtemp(join(tmpdir(), 'sightglass-firefox-'));
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: FIREFOX,
    headless: true,
    extraPrefsFirefox: {
      'intl.accept_languages': 'en-GB',
      'browser.download.folderList': 2,
      'browser.download.dir': folder,
      'media.navigator.streams.fake': true,
      'media.navigator.permission.disabled': true,
      // WebRTC to this very machine.
      'media.peerconnection.ice.loopback': true,
      'media.peerconnection.ice.obfuscate_host_addresses': false,
    },
  });
  let last = null;
  const open = async (service, path = '/') => {
    await last?.close();
    const tab = (last = await browser.newPage());
    await tab.setViewport(SIZE);
    const page = new PlainPage({
      run: (script) => tab.evaluate(script),
      setFiles: async (css, files) => (await tab.$(css)).uploadFile(...files),
      press: (key) => tab.keyboard.press(key),
      screenshot: () => tab.screenshot(),
      url: () => tab.url(),
    });
    tab.on('pageerror', (error) => page.faults.push(String(error)));
    tab.on('console', (line) => line.type() === 'info' && page.notes.push(line.text()));
    await tab.goto(new URL(path, service.url).href);
    await page.settled();
    return page;
  };
  const download = async (page, button) => {
    await hook(page, button).click();
    return newFile(folder);
  };
  const close = async () => {
    await browser.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  return { open, download, close };
}

async function openWebKit(options) {
  const webkit = await WebKit.started(options);
  const open = async (service, path = '/') => {
    const page = new PlainPage(webkit);
    await webkit.go(new URL(path, service.url).href);
    await page.settled();
    return page;
  };
  const download = async (page, button) => {
    await hook(page, button).click();
    return newFile(webkit.downloads);
  };
  return { open, download, close: () => webkit.stop() };
}

/** The one file of a folder, when it is whole: browsers write under another name, or beside an empty one, until then. */
async function newFile(folder) {
  const late = Date.now() + PATIENCE;
  for (;;) {
    const names = existsSync(folder) ? await readdir(folder) : [];
    if (names.length === 1 && /\.(avi|mp4)$/.test(names[0])) return join(folder, names[0]);
    if (Date.now() > late) throw new Error(`nothing was saved: ${names}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
