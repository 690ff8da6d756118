// <sg-save>: asks the server for the annotated video, shows how far it is, and downloads it.

import { getRecording, startRecording } from './api.js';
import { bytes, percent } from './format.js';
import { onLanguage, t } from './i18n.js';
import { ADDRESS, RECORDING, STATE } from './protocol.js';
import { said } from './said.js';

const POLL = 250;
const PATIENCE = 20; // polls in a row that may fail before it is called a failure: a short break is none

class SaveVideo extends HTMLElement {
  #button = this.querySelector('[data-testid=save]');
  #format = this.querySelector('[data-testid=save-format]');
  #bar = this.querySelector('progress');
  #hint = this.querySelector('.hint');
  #link = this.querySelector('a');
  #video = null;
  #choice = () => ({});
  #recording = null;
  #turn = 0; // what was started for another video, or before, no longer counts

  connectedCallback() {
    this.#button.onclick = () => this.#save();
    onLanguage(() => this.#render());
  }

  /** `choice()`: threshold, labels, scores and classes as they are drawn now. */
  open(video, choice) {
    this.#turn += 1;
    this.#recording = null;
    this.#choice = choice;
    this.update(video);
  }

  update(video) {
    this.#video = video;
    this.#render();
  }

  async #save() {
    const turn = (this.#turn += 1);
    this.#recording = { state: RECORDING.queued, frames_done: 0, frames_total: this.#video.frames_total };
    this.#render();
    this.dispatchEvent(new CustomEvent('save-started'));
    try {
      let recording = await startRecording(this.#video.id, { format: this.#format.value, ...this.#choice() });
      let failures = 0;
      while (turn === this.#turn) {
        this.#recording = recording;
        this.#render();
        if (recording.state === RECORDING.failed) throw new Error(said(recording.error ?? ''));
        if (recording.state === RECORDING.done) return this.#download();
        await new Promise((resolve) => setTimeout(resolve, POLL));
        try {
          recording = await getRecording(recording.id);
          failures = 0;
        } catch (error) {
          failures += 1;
          if (error.status !== 0 || failures >= PATIENCE) throw error;
        }
      }
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#recording = null;
      this.#render();
      const words = t('save.failed', { words: error.message });
      this.dispatchEvent(new CustomEvent('save-failed', { detail: words }));
    }
  }

  #download() {
    this.#link.href = ADDRESS.recordingFile(this.#recording.id);
    this.#link.download = '';
    this.#link.click();
  }

  #render() {
    const done = this.#video?.state === STATE.done;
    const state = this.#recording?.state;
    const busy = state === RECORDING.queued || state === RECORDING.encoding;
    const saved = state === RECORDING.done;
    this.#button.disabled = !done || busy;
    this.#format.disabled = !done || busy;
    this.#bar.hidden = !busy && !saved;
    const { frames_done: now = 0, frames_total: all = 0 } = this.#recording ?? {};
    const part = saved ? 1 : all ? Math.min(1, now / all) : 0;
    this.#bar.value = part;
    this.#link.hidden = !saved;
    if (saved) this.#link.textContent = t('save.again', { size: bytes(this.#recording.bytes ?? 0) });
    this.#hint.textContent = busy
      ? t('save.writing', { percent: percent(part) })
      : t(saved ? 'save.done' : done ? 'save.ready' : 'save.wait');
  }
}

customElements.define('sg-save', SaveVideo);
