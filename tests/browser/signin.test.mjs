// Signing in and out, in both languages, by the field and by a link; and the page over HTTPS with the server's own certificate.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { PATIENCE, framesDone, hook, openBrowser, upload, waitDone } from './harness/page.mjs';
import { Service, fixture } from './harness/service.mjs';

const TOKEN = 'open-sesame.42+/=';

let browser;
let service;
let https;
before(async () => {
  browser = await openBrowser();
  service = await Service.started(['--token', TOKEN]);
  https = await Service.started(['--token', TOKEN, '--tls-self-signed']);
});
after(async () => {
  await browser?.close();
  await service?.stop();
  await https?.stop();
});

/** A page of a visitor who is not signed in. */
async function visit(path, { at = service, ...options } = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ignoreHTTPSErrors: true, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource|WebSocket/.test(message.text())) page.faults.push(message.text());
  });
  await page.goto(new URL(path, at.url).href);
  return page;
}

const message = (page) => hook(page, 'message');
const at = (page, path) => page.waitForURL((url) => url.pathname + url.search + url.hash === path);

async function leave(page) {
  assert.deepEqual(page.faults, []);
  await page.context().close();
}

async function signIn(page, token = TOKEN) {
  await hook(page, 'token').fill(token);
  await hook(page, 'sign-in').click();
}

test('the page that was wanted comes after signing in, and signing out ends it', async () => {
  const page = await visit('/?lang=en&video=none');
  await at(page, '/signin?next=/%3Flang%3Den%26video%3Dnone');
  assert.equal(await hook(page, 'token').getAttribute('autocomplete'), 'current-password');
  assert.ok(await hook(page, 'token').evaluate((field) => field === document.activeElement));
  assert.ok(await message(page).isHidden());

  await signIn(page, 'a-wrong-one');
  await message(page).waitFor();
  assert.equal(await message(page).innerText(), 'This is not the token of this server.');
  assert.equal(await message(page).getAttribute('role'), 'alert');
  await hook(page, 'language').selectOption('zh');
  assert.equal(await message(page).innerText(), '令牌不正确。');
  assert.equal(await hook(page, 'sign-in').innerText(), '登录');
  await hook(page, 'language').selectOption('en');

  await signIn(page);
  await page.waitForURL((url) => url.pathname === '/');
  await page.locator('[role=alert]').waitFor(); // there is no such video, which the page itself says
  const [cookie] = await page.context().cookies();
  assert.ok(cookie.httpOnly && cookie.sameSite === 'Lax' && !cookie.value.includes('sesame'), JSON.stringify(cookie));
  assert.equal(await page.evaluate(() => document.cookie), '');
  // Who is signed in is not asked again.
  await page.goto(new URL('/signin?next=/%3Flang%3Dzh', service.url).href);
  await at(page, '/?lang=zh');

  await hook(page, 'sign-out').waitFor();
  assert.equal(await hook(page, 'sign-out').getAttribute('aria-label'), '退出登录');
  await hook(page, 'sign-out').click();
  await at(page, '/signin');
  await page.goto(new URL('/', service.url).href);
  await at(page, '/signin');
  await leave(page);
});

test('a session that ends while a page is open leads to the sign-in page and back', async () => {
  const page = await visit('/');
  await signIn(page);
  await page.locator('sg-videos .none').waitFor();
  await page.context().clearCookies();
  // An upload is a call of its own kind.
  await upload(page, fixture('numbered-odd.mp4'));
  await page.waitForURL((url) => url.pathname === '/signin');
  await signIn(page);
  await at(page, '/');
  await leave(page);
});

test('a link signs in at one click and leaves no token in the address', async () => {
  const page = await visit(`/signin?next=/%3Flang%3Dzh#token=${TOKEN}`, { locale: 'zh-CN' });
  await at(page, '/?lang=zh');
  await page.locator('sg-videos .none').waitFor();
  await page.goBack();
  assert.ok(!page.url().includes('sesame'));
  await leave(page);

  const wrong = await visit('/signin#token=another-one', { locale: 'zh-CN' });
  await message(wrong).waitFor();
  assert.equal(await message(wrong).innerText(), '令牌不正确。');
  assert.equal(new URL(wrong.url()).hash, '');
  // A good link, while the page is open.
  await wrong.evaluate((token) => (location.hash = `#token=${token}`), TOKEN);
  await at(wrong, '/');
  await leave(wrong);
});

test('no link leads to another site', async () => {
  const places = ['//evil.example/', '/\\evil.example/', 'https://evil.example/', 'javascript:alert(1)', '/\t/evil.example', '%E0'];
  for (const place of places) {
    const page = await visit(`/signin?next=${place.startsWith('%') ? place : encodeURIComponent(place)}#token=${TOKEN}`);
    await page.waitForURL((url) => url.pathname !== '/signin');
    assert.equal(new URL(page.url()).origin, new URL(service.url).origin, place);
    await page.context().close();
  }
});

test('too many tries are told, in both languages', async () => {
  const own = await Service.started(['--token', TOKEN]);
  const page = await visit('/signin', { at: own });
  for (const wrong of Array.from({ length: 6 }, (_, n) => `a-wrong-one-${n}`)) {
    const answered = page.waitForResponse((answer) => answer.url().endsWith('/api/session') && answer.request().method() === 'POST');
    await signIn(page, wrong);
    await answered;
    await page.waitForFunction(() => !document.getElementById('go').disabled);
  }
  assert.match(await message(page).innerText(), /^Too many wrong tokens .* try again in \d+ s\.$/);
  await hook(page, 'language').selectOption('zh');
  assert.match(await message(page).innerText(), /^错误次数过多，请在 \d+ 秒后重试。$/);
  await leave(page);
  await own.stop();
});

test('over HTTPS with the own certificate there are videos, sockets and a camera', async () => {
  const phone = { at: https, viewport: { width: 390, height: 844 }, permissions: ['camera'] };
  const page = await visit('/', phone);
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/signin.png` });
  await signIn(page);
  await page.locator('sg-videos .none').waitFor();
  const [cookie] = await page.context().cookies();
  assert.ok(cookie.secure);
  assert.ok(await page.evaluate(() => isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia)));
  const allowed = await page.evaluate(() => document.featurePolicy?.allowsFeature('camera') ?? true);
  assert.ok(allowed, 'the headers forbid the camera');
  await upload(page, fixture('numbered-odd.mp4'));
  await waitDone(page);
  assert.equal(await framesDone(page), 60);
  await hook(page, 'sign-out').waitFor();
  const { wide, view } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, view: innerWidth }));
  assert.ok(wide <= view, `the page is ${wide} wide on a phone of ${view}`);
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/header.png` });
  await leave(page);
});

test('where everyone is let in nothing is asked', async () => {
  const open = await Service.started();
  const page = await visit('/signin', { at: open });
  await at(page, '/');
  await page.locator('sg-videos .none').waitFor();
  await page.waitForLoadState('networkidle');
  assert.equal(await hook(page, 'sign-out').count(), 0);
  await leave(page);
  await open.stop();
});
