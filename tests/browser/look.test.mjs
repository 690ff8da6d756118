// Both languages, light and dark, a phone's width, and those who want things to keep still.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { hook, openBrowser, openPage, pause, upload, waitDone, waitFrame } from './harness/page.mjs';
import { ROOT, SHIPPED, Service, fixture } from './harness/service.mjs';

let service;
let browser;
let video;
let other; // of a format that browsers do not play
before(async () => {
  service = await Service.started(SHIPPED);
  browser = await openBrowser();
  const body = await readFile(join(ROOT, 'www/sample.mp4'));
  other = await service.json('/api/videos?name=not%20for%20browsers.avi', { method: 'POST', body: await readFile(fixture('numbered.avi')) });
  video = await service.json('/api/videos?name=a%20video%20with%20quite%20a%20long_name_that_does_not_break.mp4', { method: 'POST', body });
});
after(async () => {
  await browser?.close();
  await service?.stop();
});

async function open(options) {
  const page = await openPage(browser, service, options);
  if (options.path?.includes('video=')) {
    await waitFrame(page, 1);
    await waitDone(page);
    await pause(page);
  }
  if (/^\/image/.test(options.path) && !options.path.includes('task=')) {
    await hook(page, 'sample').click();
    await page.locator('[data-testid=send]:enabled').click();
    await hook(page, 'table').locator('tbody tr').first().waitFor();
  }
  return page;
}

async function close(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

/** The words that are on the page to be seen, without names, numbers, labels of the model and the language chooser. */
const words = (page) =>
  page.evaluate(() => {
    const found = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const at = walk.currentNode.parentElement;
      const text = walk.currentNode.data.trim();
      if (!text || !at.checkVisibility() || at.closest('option, select, .brand, .chip, .open, #name, tbody, code, script')) continue;
      found.push(text);
    }
    for (const element of document.querySelectorAll('[aria-label], [title]')) {
      if (element.checkVisibility() && !element.closest('.list')) found.push(element.getAttribute('aria-label') ?? element.title);
    }
    return found;
  });

const HAN = /\p{Script=Han}/u;
// What stays in Latin letters in Chinese: formats, the model's name, the provider, keys, units.
const LATIN = /MP4|MOV|MKV|WebM|AVI|M?JPEG|PNG|WebP|GIF|BMP|CSV|JSON|Ctrl|HLS|\b(rtsps?|https?|srt)\b|Sightglass|sightglass-nano|cifar10|CPU|f32|\bF\b|[KMG]?B/g;

test('Chinese by the address, by the browser, and by the chooser', async () => {
  const others = ['/camera?lang=zh', '/camera?lang=zh&tab=network', '/image?lang=zh', '/image?lang=zh&task=classify'].map((path) => ({ path }));
  for (const options of [{ path: '/?lang=zh' }, { locale: 'zh-CN' }, { path: `/?lang=zh&video=${video.id}` }, ...others]) {
    const page = await open(options);
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-Hans');
    assert.equal(await hook(page, 'language').inputValue(), 'zh');
    for (const text of await words(page)) assert.doesNotMatch(text.replace(LATIN, ''), /[a-z]{3}/i, `not in Chinese: ${text}`);
    await close(page);
  }
  // Asked for English by address, in a Chinese browser.
  const english = await open({ path: '/?lang=en', locale: 'zh-CN' });
  for (const text of await words(english)) assert.doesNotMatch(text, HAN);
  // Switched: at once, and for the next visit too; the address does not contradict it.
  await hook(english, 'language').selectOption('zh');
  assert.match(await hook(english, 'choose').innerText(), HAN);
  await english.reload();
  assert.match(await hook(english, 'choose').innerText(), HAN);
  await english.goto(service.url);
  assert.match(await hook(english, 'choose').innerText(), HAN);
  await close(english);
});

test('a refusal is said in Chinese', async () => {
  const page = await open({ path: '/?lang=zh' });
  for (const name of ['junk.mp4', 'empty.mp4', 'audio-only.mp4', 'encrypted.mp4', 'no-moov.mp4']) {
    await upload(page, fixture(name));
    await page.locator('[role=alert]').waitFor();
    const said = (await page.locator('[role=alert] p').innerText()).replace(`${name}：`, '').replace(/MP4|MOV|MKV|WebM|AVI|MPEG-TS|DRM|moov|untrunc/g, '');
    assert.match(said, HAN);
    assert.doesNotMatch(said, /[a-z]{3}/i, name);
  }
  await close(page);
});

const load = async (name) => (await import(join(ROOT, 'www', name))).default;

test('both languages have the same words, and every word that the page asks for', async () => {
  const [en, zh] = [await load('words-en.js'), await load('words-zh.js')];
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
  for (const [key, text] of Object.entries(en)) {
    const holes = (words) => [...words.matchAll(/\{\w+\}/g)].map(String).sort();
    assert.deepEqual(holes(zh[key]), holes(text), `other values in ${key}`);
  }
  const used = new Set();
  for (const name of await readdir(join(ROOT, 'www'))) {
    if (!/\.(js|html)$/.test(name)) continue;
    const text = await readFile(join(ROOT, 'www', name), 'utf8');
    // In calls such as t(part < 1 ? 'one' : 'other', …) the keys are somewhere among the arguments.
    for (const [, key] of text.matchAll(/data-t(?:-label|-title)?="([^"]+)"/g)) used.add(key);
    for (const [, all] of text.matchAll(/\bt\(([^()]*)/g)) for (const [, key] of all.matchAll(/'([a-z]+(?:\.[a-z]+)*)'/g)) used.add(key);
  }
  for (const key of used) assert.ok(key in en, `nobody has written ${key}`);
});

test('the server still says what is translated', async () => {
  const sources = [];
  for (const entry of await readdir(join(ROOT, 'src'), { recursive: true })) {
    if (entry.endsWith('.rs')) sources.push(await readFile(join(ROOT, 'src', entry), 'utf8'));
  }
  const all = sources.join('\n').replace(/\\\n\s*/g, '').replace(/\{[\w:.]*\}/g, '{}');
  for (const [english, chinese] of await load('said-zh.js')) {
    assert.ok(all.includes(english), `the server does not say: ${english}`);
    assert.equal(chinese.split('{}').length, english.split('{}').length, chinese);
  }
});

/** The least contrast between letters and what is behind them, over all that is to be seen (WCAG's formula). */
const contrasts = (page) =>
  page.evaluate(() => {
    const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const over = (colours) => {
      pen.clearRect(0, 0, 1, 1);
      for (const colour of colours) {
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
      }
      const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
      const [r, g, b] = pen.getImageData(0, 0, 1, 1).data;
      return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    };
    const found = [];
    for (const element of document.querySelectorAll('body *')) {
      const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
      if (!own || !element.checkVisibility({ visibilityProperty: true }) || element.matches('script, option, .unseen') || element.closest(':disabled, .unseen')) continue;
      const behind = [];
      for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
      const [back, ink] = [over(behind), over([...behind, getComputedStyle(element).color])];
      const ratio = (Math.max(back, ink) + 0.05) / (Math.min(back, ink) + 0.05);
      found.push({ ratio: Math.round(ratio * 100) / 100, text: element.textContent.trim().slice(0, 40), of: element.className });
    }
    return found;
  });

for (const colorScheme of ['light', 'dark']) {
  test(`letters can be read: ${colorScheme}`, async () => {
    for (const path of ['/', `/?video=${video.id}`, '/camera', '/camera?tab=network', '/image', '/image?task=classify']) {
      const page = await open({ path, colorScheme });
      if (path === '/') {
        await upload(page, fixture('junk.mp4'));
        await page.locator('[role=alert]').waitFor();
      }
      await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => {}))));
      const all = await contrasts(page);
      assert.ok(all.length > 5);
      assert.deepEqual(all.filter(({ ratio }) => ratio < 4.5), []);
      const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const [red] = ground.match(/\d+/g).map(Number);
      assert.equal(red < 128, colorScheme === 'dark', ground);
      await close(page);
    }
  });
}

test('nothing goes beyond the width of a phone, and fingers find the buttons', async () => {
  for (const lang of ['en', 'zh']) {
    const own = [`/?lang=${lang}`, `/?lang=${lang}&video=${video.id}`];
    for (const path of [...own, `/camera?lang=${lang}`, `/camera?lang=${lang}&tab=network`, `/image?lang=${lang}`]) {
      const page = await open({ path, viewport: { width: 375, height: 700 }, hasTouch: true });
      const beyond = await page.evaluate(() => {
        const out = [...document.querySelectorAll('body *')].filter(
          (element) => element.checkVisibility() && !element.closest('.unseen, .working .hero') && element.getBoundingClientRect().right > innerWidth + 0.5,
        );
        return { page: document.documentElement.scrollWidth, out: out.map((element) => element.outerHTML.slice(0, 80)) };
      });
      assert.deepEqual(beyond, { page: 375, out: [] });
      const small = await page.evaluate(() =>
        [...document.querySelectorAll('button, select, .chip, .check')]
          .filter((element) => element.checkVisibility())
          .filter((element) => element.getBoundingClientRect().height < 24)
          .map((element) => element.outerHTML.slice(0, 80)),
      );
      assert.deepEqual(small, []);
      if (path.includes('video=')) {
        assert.equal(await page.evaluate(() => getComputedStyle(document.getElementById('view')).display), 'block');
        const { top, bottom } = await hook(page, 'pause').evaluate((button) => button.getBoundingClientRect().toJSON());
        assert.ok(top > 0 && bottom < 700, 'the pause button is out of sight');
      }
      await close(page);
    }
  }
});

// What a person sees without scrolling, on a laptop and on a phone that is held sideways.
const WINDOWS = [[1280, 800], [1366, 768], [1440, 900], [844, 390], [390, 844]];

const isInSight = (page, name) =>
  hook(page, name).evaluate((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    const under = document.querySelector('.top').getBoundingClientRect().bottom;
    const middle = element.getBoundingClientRect();
    const at = document.elementFromPoint(middle.left + middle.width / 2, middle.top + middle.height / 2);
    return { isInSight: top >= under - 1 && bottom <= innerHeight && element.contains(at), top, bottom, under, innerHeight };
  });

async function inSight(page, ...names) {
  for (const name of names) {
    const where = await isInSight(page, name);
    assert.ok(where.isInSight, `${name} is not in sight: ${JSON.stringify(where)}`);
  }
}

for (const [width, height] of WINDOWS) {
  test(`picture and controls are in sight together at ${width}x${height}`, async () => {
    for (const lang of ['en', 'zh']) {
      const page = await open({ path: `/?lang=${lang}&video=${video.id}`, viewport: { width, height } });
      await inSight(page, 'view', 'pause', 'seek');
      await close(page);
    }
    // A file that this browser cannot play: the server's pictures, with a word on that.
    const page = await open({ path: `/?video=${other.id}`, viewport: { width, height } });
    await hook(page, 'source').waitFor({ state: 'attached' });
    await page.waitForFunction(() => !document.querySelector('[data-testid=source]').hidden);
    await inSight(page, 'view', 'pause', 'seek');
    await close(page);
  });

  test(`the camera is started from within its picture at ${width}x${height}`, async () => {
    for (const lang of ['en', 'zh']) {
      const page = await open({ path: `/camera?lang=${lang}`, viewport: { width, height } });
      await inSight(page, 'start');
      const isInside = await hook(page, 'start').evaluate((button) => Boolean(button.closest('.glass')));
      assert.ok(isInside, 'it is not in the picture');
      await close(page);
    }
  });
}

test('what can be read on a button is in the name by which voice control calls it', async () => {
  const paths = [`/?video=${video.id}`, '/camera', '/camera?tab=network', '/image'];
  for (const path of [...paths, ...paths.map((one) => `${one}${one.includes('?') ? '&' : '?'}lang=zh`)]) {
    const page = await open({ path });
    const wrong = await page.evaluate(() => {
      const plain = (words) => words.toLowerCase().replace(/\s+/g, ' ').trim();
      return [...document.querySelectorAll('button[aria-label], a[aria-label], select[aria-label]')]
        .filter((element) => element.checkVisibility() && !element.matches('select') && /\p{L}/u.test(element.innerText))
        .filter((element) => !plain(element.getAttribute('aria-label')).includes(plain(element.innerText)))
        .map((element) => `${element.innerText} is named ${element.getAttribute('aria-label')}`);
    });
    assert.deepEqual(wrong, []);
    await close(page);
  }
});

test('who wants things to keep still gets no motion', async () => {
  const page = await open({ path: `/?video=${video.id}`, reducedMotion: 'reduce' });
  const moving = await page.evaluate(() => {
    const all = [...document.querySelectorAll('*')].flatMap((element) => [null, '::before', '::after'].map((part) => getComputedStyle(element, part)));
    return all.filter((style) => style.animationName !== 'none' || !/^(0s(, )?)+$|^$/.test(style.transitionDuration.trim()) && style.transitionProperty !== 'none').length;
  });
  assert.equal(moving, 0);
  await close(page);
});
