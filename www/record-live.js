// <sg-record>: records a live stream on the server, counts while it is written, and offers what was recorded.

import { getRecording, listRecordings, recordStream, stopRecording } from './api.js';
import { bytes, clock, count, moment } from './format.js';
import { onLanguage, t } from './i18n.js';
import { ADDRESS, RECORDING } from './protocol.js';
import { said } from './said.js';

const POLL = 500;
const PATIENCE = 20; // polls in a row that may fail before it is given up: a short break is none

/** Share of frames that may be missing from a recording before the page shows a note: an AVI drops single frames of any camera with an uneven rate. */
const NOTICED = 0.01;

const isOver = ({ state }) => state === RECORDING.done || state === RECORDING.failed;

class RecordLive extends HTMLElement {
  #button;
  #format;
  #counter;
  #list;
  #stream = null;
  #choice = () => ({});
  #working = null; // { recording, began, mine, stopping }
  #done = []; // newest first
  #off = null;

  connectedCallback() {
    this.#button = this.querySelector('button');
    this.#format = this.querySelector('select');
    this.#counter = this.querySelector('.counter');
    this.#list = this.querySelector('.recordings');
    this.#button.onclick = () => (this.#working ? this.#stop() : this.#start());
    this.#off = new AbortController();
    onLanguage(() => this.#render(), this.#off.signal);
    this.#render();
  }

  disconnectedCallback() {
    this.#off.abort();
    this.#working = null;
  }

  /** The stream that can be recorded now, or null. What is being written, and what was, stays. */
  open(stream, choice) {
    this.#stream = stream;
    this.#choice = choice;
    this.#render();
  }

  /** Forgets all, for a stream of another kind; with `earlier`, what was recorded of this one is listed. */
  async reset(earlier = null) {
    this.#working = null;
    this.#done = [];
    this.#stream = earlier;
    this.#render();
    if (!earlier) return;
    const { items } = await listRecordings(earlier, { limit: 20 }).catch(() => ({ items: [] }));
    if (this.#stream !== earlier) return;
    const known = new Set(this.#done.map(({ id }) => id));
    this.#done.push(...items.filter((one) => one.state === RECORDING.done && !known.has(one.id)));
    const going = items.find((one) => !isOver(one));
    if (going) this.#adopt(going);
    this.#render();
  }

  /** The stream's newest state: somebody else may have started a recording. */
  update({ recording }) {
    if (!recording || this.#working || this.#done.some(({ id }) => id === recording)) return;
    getRecording(recording).then((one) => this.#adopt(one), () => {});
  }

  #adopt(recording) {
    if (this.#working || isOver(recording)) return;
    this.#follow(recording, Date.now() - Math.max(0, Date.now() - Date.parse(recording.created_at)), false);
  }

  async #start() {
    this.#button.disabled = true;
    try {
      const recording = await recordStream(this.#stream, { format: this.#format.value, ...this.#choice() });
      this.#follow(recording, Date.now(), true);
    } catch (error) {
      this.#tell(t('record.failed', { words: error.message }));
    }
    this.#render();
  }

  async #stop() {
    const working = this.#working;
    working.stopping = true;
    this.#render();
    try {
      await stopRecording(working.recording.id);
    } catch (error) {
      working.stopping = false;
      this.#tell(t('record.failed', { words: error.message }));
    }
  }

  async #follow(recording, began, mine) {
    const working = (this.#working = { recording, began, mine, stopping: false });
    let failures = 0;
    while (working === this.#working && !isOver(working.recording)) {
      this.#render();
      await new Promise((resolve) => setTimeout(resolve, POLL));
      try {
        working.recording = await getRecording(recording.id);
        failures = 0;
      } catch (error) {
        failures += 1;
        if (error.status === 0 && failures < PATIENCE) continue;
        if (working === this.#working) this.#working = null;
        this.#tell(t('record.failed', { words: error.message }));
      }
    }
    if (working !== this.#working) return;
    this.#working = null;
    if (working.recording.state === RECORDING.failed) {
      this.#tell(t('record.failed', { words: said(working.recording.error ?? '') }));
    } else {
      this.#done.unshift(working.recording);
      const { error, frames_done: done, frames_dropped: dropped } = working.recording;
      if (error) this.#tell(t('record.early', { words: said(error) }));
      else if (dropped > done * NOTICED) this.#note(t('record.dropped', { dropped: count(dropped), all: count(done + dropped) }));
    }
    this.#render();
    if (mine && working.recording.state === RECORDING.done) this.#list.querySelector('a')?.click();
  }

  #note(text) {
    this.dispatchEvent(new CustomEvent('record-noted', { detail: text, bubbles: true }));
  }

  #tell(words) {
    this.dispatchEvent(new CustomEvent('record-failed', { detail: words, bubbles: true }));
  }

  #render() {
    if (!this.#button) return;
    const { recording, began, stopping } = this.#working ?? {};
    const words = t(recording ? 'record.stop' : 'record.start');
    this.#button.classList.toggle('recording', Boolean(recording));
    this.#button.disabled = recording ? stopping : !this.#stream;
    this.#button.setAttribute('aria-label', words);
    this.#button.title = words;
    const label = this.#button.querySelector('span');
    if (label && label.textContent !== words) label.textContent = words;
    this.#format.disabled = Boolean(recording) || !this.#stream;
    const now = recording && { time: clock((Date.now() - began) / 1000), frames: count(recording.frames_done ?? 0) };
    this.#counter.textContent = !recording ? '' : stopping ? t('record.finishing') : t('record.counter', now);
    this.#counter.hidden = !recording;
    if (this.#list.children.length !== this.#done.length || this.#list.dataset.words !== t('record.file')) this.#fill();
  }

  #fill() {
    this.#list.dataset.words = t('record.file');
    const rows = this.#done.map((one) => {
      const row = document.createElement('li');
      const link = document.createElement('a');
      link.href = ADDRESS.recordingFile(one.id);
      link.download = '';
      link.textContent = t('record.file', { format: one.format.toUpperCase(), when: moment(one.created_at) });
      const size = document.createElement('span');
      size.className = 'quiet';
      size.textContent = bytes(one.bytes ?? 0);
      row.append(link, size);
      return row;
    });
    this.#list.replaceChildren(...rows);
    const folded = this.querySelector('details');
    if (folded) folded.hidden = !rows.length;
  }
}

customElements.define('sg-record', RecordLive);
