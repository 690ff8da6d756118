// <sg-upload>: drop zone, file chooser, sample button, and the progress of the upload that they start. Only one upload runs
// at a time; several dropped files go one after the other.

import { ApiError, fetchSample } from './api.js';
import { takeDrops } from './drops.js';
import { bytes, percent } from './format.js';
import { onLanguage, t } from './i18n.js';
import { Cancelled, upload } from './upload.js';

// What the server keeps: low, so that the page's slider can move below the model's own threshold at once.
const KEPT_THRESHOLD = 0.1;

class UploadBox extends HTMLElement {
  #models = [];
  #running = null; // { cancel() } while something is under way
  #idle = this.querySelector('.idle');
  #busy = this.querySelector('.busy');
  #input = this.querySelector('input[type=file]');
  #chooser = this.querySelector('[data-testid=model]');
  #bar = this.querySelector('progress');
  #file = null;

  connectedCallback() {
    const button = (name) => this.querySelector(`[data-testid=${name}]`);
    button('choose').onclick = () => this.#input.click();
    button('sample').onclick = () => this.#run(async () => [await fetchSample()]);
    button('upload-cancel').onclick = () => this.#running?.cancel();
    this.#input.onchange = () => {
      const files = [...this.#input.files];
      this.#input.value = ''; // so that the same file can be chosen again
      if (files.length) this.#run(async () => files);
    };
    this.#takeDrops();
    onLanguage(() => this.#file && this.#name());
  }

  set models(models) {
    this.#models = models;
    this.#chooser.replaceChildren(...models.map((model) => new Option(model.name, model.name, model.default, model.default)));
    this.#chooser.closest('label').hidden = models.length < 2;
  }

  #takeDrops() {
    takeDrops({
      over: (inside) => this.classList.toggle('over', inside),
      busy: () => Boolean(this.#running),
      files: (files) => {
        if (files.length) this.#run(async () => files);
        else this.#tell('upload-failed', t('upload.folder'));
      },
    });
  }

  async #run(getFiles) {
    if (this.#running) return; // a second press while the first is under way
    let cancelled = false;
    this.#running = { cancel: () => (cancelled = true) };
    this.#show(true);
    this.#tell('upload-started');
    try {
      this.#line(t('upload.preparing'), '');
      for (const file of await getFiles()) {
        if (cancelled) throw new Cancelled();
        await this.#send(file);
      }
    } catch (error) {
      if (error instanceof Cancelled) this.#tell('upload-cancelled', t('upload.cancelled'));
      else this.#tell('upload-failed', error instanceof ApiError ? error.message : t('error.page', { words: error.message }));
    } finally {
      this.#running = null;
      this.#file = null;
      this.#show(false);
    }
  }

  async #send(file) {
    this.#file = file;
    this.#name();
    this.#progress({ sent: 0, total: file.size, speed: 0 });
    const model = this.#models.find(({ name }) => name === this.#chooser.value);
    const threshold = Math.min(KEPT_THRESHOLD, model?.threshold ?? KEPT_THRESHOLD);
    const { video, cancel } = upload(file, { model: model?.name, threshold }, (state) => this.#progress(state));
    this.#running = { cancel };
    this.dispatchEvent(new CustomEvent('uploaded', { detail: { video: await video, file } }));
  }

  #progress({ sent, total, speed }) {
    const part = total ? sent / total : 0;
    const values = { percent: percent(part), sent: bytes(sent), total: bytes(total), speed: bytes(speed) };
    this.#bar.value = part * 100;
    this.#line(null, t(part < 1 ? 'upload.amount' : 'upload.checking', values));
  }

  #name() {
    this.#line(t('upload.sending', { name: this.#file.name }), null);
  }

  #line(what, amount) {
    if (what !== null) this.querySelector('.what').textContent = what;
    if (amount !== null) this.querySelector('.amount').textContent = amount;
  }

  #show(busy) {
    const hadFocus = this.contains(document.activeElement);
    this.#idle.hidden = busy;
    this.#busy.hidden = !busy;
    this.#bar.value = 0;
    for (const control of this.#idle.querySelectorAll('button, select, input')) control.disabled = busy;
    // Whoever works by keyboard stays where they were instead of being thrown to the top of the page.
    if (hadFocus) this.querySelector(busy ? '[data-testid=upload-cancel]' : '[data-testid=choose]').focus();
  }

  #tell(name, words) {
    this.dispatchEvent(new CustomEvent(name, { detail: words }));
  }
}

customElements.define('sg-upload', UploadBox);
