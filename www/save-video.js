// <sg-save>: asks the server for annotated copies of the open video, shows how far they are, downloads a new one when it is
// done, and lists all that the server has, so that they are found again after a reload.

import { deleteRecording, listCopies, startRecording } from './api.js';
import { bytes, moment, percent } from './format.js';
import { onLanguage, t } from './i18n.js';
import { ADDRESS, RECORDING, STATE } from './protocol.js';
import { said } from './said.js';

const POLL = 250;
const PATIENCE = 40; // polls in a row that may fail before it is called a failure: a short break is none

const isInWork = ({ state }) => state === RECORDING.queued || state === RECORDING.encoding;
const partOf = ({ state, frames_done: now = 0, frames_total: all = 0 }) =>
  state === RECORDING.done ? 1 : all ? Math.min(1, now / all) : 0;

class SaveVideo extends HTMLElement {
  #button = this.querySelector('[data-testid=save]');
  #format = this.querySelector('[data-testid=save-format]');
  #bar = this.querySelector('progress');
  #hint = this.querySelector('.hint');
  #list = this.querySelector('[data-testid=copies]');
  #rows = new Map(); // id → row
  #video = null;
  #choice = () => ({});
  #copies = []; // newest first
  #asking = false; // the server has not yet taken the order
  #mine = null; // id of the copy that was ordered here and is downloaded when it is done
  #turn = 0; // what was started for another video, or before, no longer counts

  connectedCallback() {
    this.#button.onclick = () => this.#save();
    onLanguage(() => {
      this.#rows.clear();
      this.#list.replaceChildren();
      this.#render();
    });
  }

  /** `choice()`: threshold, labels, scores and classes as they are drawn now. */
  open(video, choice) {
    this.close();
    this.#choice = choice;
    this.update(video);
    this.#follow();
  }

  close() {
    this.#turn += 1;
    this.#copies = [];
    this.#mine = null;
    this.#asking = false;
  }

  update(video) {
    this.#video = video;
    this.#render();
  }

  async #save() {
    const turn = (this.#turn += 1); // from here on the list is asked for anew
    this.#asking = true;
    this.#render();
    this.#tell('save-started');
    try {
      const recording = await startRecording(this.#video.id, { format: this.#format.value, ...this.#choice() });
      if (turn !== this.#turn) return;
      this.#mine = recording.id;
      this.#copies.unshift(recording);
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#fail(error.message);
    }
    this.#asking = false;
    this.#render();
    this.#follow();
  }

  /** Asks for the list, again and again while a copy is in work. */
  async #follow() {
    const turn = this.#turn;
    let failures = 0;
    do {
      try {
        const { items } = await listCopies(this.#video.id);
        if (turn !== this.#turn) return;
        failures = 0;
        this.#take(items);
      } catch (error) {
        if (turn !== this.#turn) return;
        failures += 1;
        if (error.status !== 0 || failures >= PATIENCE) {
          // Without copies in work there is nothing that a person waits for; a deleted video is reported elsewhere.
          if (this.#copies.some(isInWork)) this.#fail(error.message);
          return;
        }
      }
      if (!this.#copies.some(isInWork) && !failures) return;
      await new Promise((resolve) => setTimeout(resolve, POLL));
    } while (turn === this.#turn);
  }

  #take(copies) {
    this.#copies = copies;
    const mine = copies.find(({ id }) => id === this.#mine);
    if (!mine || !isInWork(mine)) this.#mine = null;
    this.#render();
    if (mine?.state === RECORDING.failed) this.#fail(said(mine.error ?? ''));
    if (mine?.state === RECORDING.done) this.#rows.get(mine.id).link.click();
  }

  async #remove(id) {
    try {
      await deleteRecording(id);
    } catch (error) {
      if (error.status !== 404) return this.#fail(error.message); // gone is gone
    }
    this.#turn += 1; // a list that is under way still has it
    this.#copies = this.#copies.filter((copy) => copy.id !== id);
    if (this.#mine === id) this.#mine = null;
    this.#render();
    this.#button.focus();
    this.#follow();
  }

  #fail(words) {
    this.#tell('save-failed', t('save.failed', { words }));
  }

  #render() {
    const isDone = this.#video?.state === STATE.done;
    const [working] = this.#copies.filter(isInWork);
    const isBusy = this.#asking || Boolean(working);
    this.#button.disabled = !isDone || isBusy;
    this.#format.disabled = !isDone || isBusy;
    const [newest] = this.#copies;
    const shown = working ?? (newest?.state === RECORDING.done ? newest : null);
    this.#bar.hidden = !isBusy && !shown;
    const part = shown && !this.#asking ? partOf(shown) : 0;
    if (this.#bar.value !== part) this.#bar.value = part;
    this.#hint.textContent = isBusy
      ? t('save.writing', { percent: percent(part) })
      : t(isDone ? 'save.ready' : 'save.wait');
    this.#list.hidden = this.#copies.length === 0;
    for (const [id, row] of this.#rows) {
      if (this.#copies.some((copy) => copy.id === id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    this.#copies.forEach((copy, place) => {
      let row = this.#rows.get(copy.id);
      if (!row) this.#rows.set(copy.id, (row = this.#row(copy)));
      if (this.#list.children[place] !== row.element) this.#list.insertBefore(row.element, this.#list.children[place] ?? null);
      this.#fill(row, copy);
    });
    // One of them is what was saved last.
    const last = this.#copies.find(({ state }) => state === RECORDING.done);
    for (const [id, { link }] of this.#rows) {
      if (id === last?.id) link.dataset.testid = 'save-link';
      else delete link.dataset.testid;
    }
  }

  #row({ id }) {
    const element = document.createElement('li');
    const about = document.createElement('span');
    about.className = 'about';
    const link = document.createElement('a');
    link.href = ADDRESS.recordingFile(id);
    link.download = '';
    link.textContent = t('save.download');
    const remove = document.createElement('button');
    remove.type = 'button';
    remove.className = 'quietly danger';
    remove.dataset.testid = 'copy-remove';
    remove.onclick = () => this.#remove(id);
    element.append(about, link, remove);
    return { element, about, link, remove };
  }

  #fill(row, copy) {
    const what = t('record.file', { format: copy.format.toUpperCase(), when: moment(copy.created_at) });
    const states = {
      [RECORDING.queued]: () => t('state.queued'),
      [RECORDING.encoding]: () => percent(partOf(copy)),
      [RECORDING.done]: () => bytes(copy.bytes ?? 0),
      [RECORDING.failed]: () => t('save.failed', { words: said(copy.error ?? '') }),
    };
    row.element.dataset.state = copy.state;
    text(row.about, `${what} · ${states[copy.state]?.() ?? ''}`);
    row.link.hidden = copy.state !== RECORDING.done;
    row.link.setAttribute('aria-label', t('queue.act', { act: t('save.download'), name: what }));
    const act = t(isInWork(copy) ? 'cancel' : 'video.delete');
    text(row.remove, act);
    row.remove.setAttribute('aria-label', t('queue.act', { act, name: what }));
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

// Screen readers and selections are left alone when nothing has changed.
function text(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

customElements.define('sg-save', SaveVideo);
