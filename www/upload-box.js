// <sg-upload>: drop zone, file chooser, sample button, and the queue of the uploads that they start. Files can be added
// while others are sent.

import { fetchSample, isReachable } from './api.js';
import { takeDrops } from './drops.js';
import { bytes, percent, span } from './format.js';
import { onLanguage, t } from './i18n.js';
import { upload } from './upload.js';
import { UPLOAD, UploadQueue, canRetry } from './upload-queue.js';

// What the server keeps: low, so that the page's slider can move below the model's own threshold at once.
const KEPT_THRESHOLD = 0.1;
const SAMPLE = 'sample.mp4';

class UploadBox extends HTMLElement {
  #models = [];
  #queue = new UploadQueue({
    send: upload,
    reachable: isReachable,
    changed: () => this.#later(),
    finished: (item) => this.#tell('uploaded', item),
    failed: (item) => this.#failed(item),
  });
  #rows = new Map(); // item → row
  #idle = this.querySelector('.idle');
  #input = this.querySelector('input[type=file]');
  #chooser = this.querySelector('[data-testid=model]');
  #section = this.querySelector('.uploads');
  #list = this.querySelector('[data-testid=queue]');
  #spare = this.querySelector('.spare');
  #bar = this.querySelector('progress');
  #cancel = this.querySelector('[data-testid=upload-cancel]');
  #clear = this.querySelector('[data-testid=queue-clear]');
  #planned = false;
  #countdown = 0;
  #leaving = false;

  connectedCallback() {
    const button = (name) => this.querySelector(`[data-testid=${name}]`);
    button('choose').onclick = () => this.#input.click();
    button('sample').onclick = () => this.#sample();
    this.#clear.onclick = () => this.#queue.clear();
    this.#cancel.onclick = () => this.#drop(this.#active());
    this.#input.onchange = () => {
      const files = [...this.#input.files];
      this.#input.value = ''; // so that the same file can be chosen again
      if (files.length) this.#add(...files.map((file) => ({ name: file.name, file })));
    };
    this.#takeDrops();
    onLanguage(() => this.#render());
    addEventListener('online', () => this.#queue.wake());
    // The browser asks in its own words; a file that was not sent to its end is lost with the page.
    addEventListener('beforeunload', (event) => {
      if (!this.#queue.busy || this.#leaving) return;
      event.preventDefault();
      event.returnValue = true; // browsers of before 2024 look at this alone
    });
    document.addEventListener('sg-signed-out', () => (this.#leaving = true));
  }

  set models(models) {
    this.#models = models;
    this.#chooser.replaceChildren(...models.map((model) => new Option(model.name, model.name, model.default, model.default)));
    this.#chooser.closest('label').hidden = models.length < 2;
  }

  /** A finished upload is open now: it need not be offered any more. */
  opened(id) {
    for (const item of this.#queue.items) if (item.video?.id === id) item.opened = true;
    this.#later();
  }

  /** A video was deleted. */
  forget(id) {
    for (const item of this.#queue.items) if (item.video?.id === id) this.#queue.remove(item);
  }

  #takeDrops() {
    takeDrops({
      over: (inside) => this.classList.toggle('over', inside),
      busy: () => false,
      files: (files) => {
        if (files.length) this.#add(...files.map((file) => ({ name: file.name, file })));
        else this.#tell('upload-failed', t('upload.folder'));
      },
    });
  }

  #add(...wanted) {
    const model = this.#models.find(({ name }) => name === this.#chooser.value);
    const choice = { model: model?.name, threshold: Math.min(KEPT_THRESHOLD, model?.threshold ?? KEPT_THRESHOLD) };
    if (!this.#queue.busy) this.#tell('upload-started');
    this.#queue.add(...wanted.map((one) => ({ ...one, ...choice })));
  }

  #sample() {
    const isUnderWay = this.#queue.items.some(({ sample, state }) => sample && state !== UPLOAD.done && state !== UPLOAD.failed);
    if (isUnderWay) return; // a second press while the first is under way
    this.#add({ name: SAMPLE, load: fetchSample, sample: true, direct: !this.#queue.busy });
  }

  #failed(item) {
    if (!(item.status >= -1)) item.error = t('error.page', { words: item.error }); // no refusal: a fault of the page itself
    this.#tell('upload-failed', t('upload.failed', { name: item.name, words: item.error }));
  }

  #drop(item) {
    if (!item) return;
    this.#queue.remove(item);
    if (item.state !== UPLOAD.done && item.state !== UPLOAD.failed) this.#tell('upload-cancelled', t('upload.cancelled'));
  }

  /** The one that is sent, or would be if the server answered. */
  #active() {
    return this.#queue.items.find(({ state }) => state === UPLOAD.uploading || state === UPLOAD.preparing || state === UPLOAD.interrupted);
  }

  // ---- what is seen of it

  #later() {
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      this.#render();
    });
  }

  #render() {
    const { items } = this.#queue;
    // When all went well and all was opened, there is nothing to tell.
    const isOver = items.every(({ state, opened }) => state === UPLOAD.done && opened);
    if (isOver && items.length) {
      this.#queue.clear();
      return;
    }
    const hadFocus = this.#section.contains(document.activeElement);
    const active = this.#active();
    const isFinished = ({ state }) => state === UPLOAD.done || state === UPLOAD.failed;
    this.#section.hidden = items.length === 0;
    this.classList.toggle('queued', items.length > 0);
    this.#clear.hidden = !items.some(isFinished);
    this.querySelector('.uploads h2').textContent = active
      ? t('queue.of', { n: items.indexOf(active) + 1, total: items.length })
      : t('queue');
    if (!active) this.#spare.append(this.#bar, this.#cancel);
    for (const [item, row] of this.#rows) {
      if (items.includes(item)) continue;
      if (row.element.contains(this.#bar)) this.#spare.append(this.#bar, this.#cancel);
      row.element.remove();
      this.#rows.delete(item);
    }
    for (const item of items) {
      let row = this.#rows.get(item);
      if (!row) this.#rows.set(item, (row = this.#row(item)));
      this.#fill(row, item, item === active);
    }
    clearInterval(this.#countdown);
    if (active?.state === UPLOAD.interrupted) this.#countdown = setInterval(() => this.#render(), 1000);
    // Whoever works by keyboard stays where they were instead of being thrown to the top of the page.
    if (hadFocus && !this.#section.contains(document.activeElement)) this.querySelector('[data-testid=choose]').focus();
  }

  #row(item) {
    const make = (tag, kind) => {
      const element = document.createElement(tag);
      element.className = kind;
      return element;
    };
    const button = (kind, name, act) => {
      const made = make('button', kind);
      made.type = 'button';
      made.dataset.testid = name;
      made.onclick = act;
      return made;
    };
    const element = make('li', '');
    const name = make('span', 'name');
    const state = make('span', 'badge');
    const amount = make('span', 'quiet amount');
    const acts = make('span', 'acts');
    const retry = button('', 'upload-retry', () => this.#queue.retry(item));
    const open = button('', 'upload-open', () => this.#tell('open-upload', item));
    const remove = button('icon', 'upload-remove', () => this.#drop(item));
    remove.textContent = '×';
    acts.append(retry, open, remove);
    element.append(name, state, amount, acts);
    this.#list.append(element);
    return { element, name, state, amount, acts, retry, open, remove };
  }

  #fill(row, item, isActive) {
    const { name, state } = item;
    row.element.dataset.state = state;
    text(row.name, name);
    text(row.state, t(`queue.${state}`));
    row.state.dataset.state = { uploading: 'running', preparing: 'running', interrupted: 'failed' }[state] ?? state;
    text(row.amount, this.#amount(item));
    row.retry.hidden = state !== UPLOAD.interrupted && !(state === UPLOAD.failed && canRetry(item));
    row.open.hidden = state !== UPLOAD.done || Boolean(item.opened);
    row.remove.hidden = isActive;
    for (const [button, words] of [[row.retry, t('upload.retry')], [row.open, t('upload.open')]]) {
      text(button, words);
      button.setAttribute('aria-label', t('queue.act', { act: words, name }));
    }
    row.remove.setAttribute('aria-label', t('queue.remove', { name }));
    if (!isActive) return;
    if (!row.element.contains(this.#bar)) {
      row.element.append(this.#bar);
      row.acts.append(this.#cancel);
    }
    this.#bar.value = item.total ? (100 * item.sent) / item.total : 0;
    this.#cancel.setAttribute('aria-label', t('queue.act', { act: t('cancel'), name }));
  }

  #amount({ state, sent, total, speed, error, retryAt }) {
    const part = total ? sent / total : 0;
    const values = { percent: percent(part), sent: bytes(sent), total: bytes(total), speed: bytes(speed) };
    if (state === UPLOAD.uploading) return t(part < 1 ? 'upload.amount' : 'upload.checking', values);
    if (state === UPLOAD.failed) return error;
    if (state !== UPLOAD.interrupted) return state === UPLOAD.preparing || !total ? '' : bytes(total);
    const left = (retryAt - Date.now()) / 1000;
    const next = left > 0 ? t('upload.next', { span: span(left) }) : t('upload.trying');
    return t('upload.interrupted', { percent: values.percent, words: error, next });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

// Screen readers and selections are left alone when nothing has changed.
function text(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

customElements.define('sg-upload', UploadBox);
