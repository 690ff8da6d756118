// How far detection is: frames a second, frames done, time left, state and who works on it.

import { clock, oneDigit, span } from './format.js';
import { onLanguage, t } from './i18n.js';
import { STATE, isActive } from './protocol.js';
import { said } from './said.js';

const byId = (id) => document.getElementById(id);
const byTest = (name) => document.querySelector(`[data-testid=${name}]`);

export class Meters {
  #video = null;
  #models = [];

  constructor() {
    onLanguage(() => this.#video && this.update(this.#video));
  }

  set models(models) {
    this.#models = models;
    if (this.#video) this.update(this.#video);
  }

  update(video) {
    this.#video = video;
    const { state, detect_fps: fps } = video;
    text(byId('name'), video.name || video.id);
    text(byId('state'), t(`state.${state}`));
    byId('state').dataset.state = state;
    text(byId('facts'), this.#facts(video));
    text(byTest('fps'), fps > 0 ? oneDigit(fps) : '–');
    this.progress(0);
    byId('stop').hidden = !isActive(state);
    byId('retry').hidden = state !== STATE.failed && state !== STATE.cancelled;
    byId('warning').hidden = !video.warning;
    text(byId('warning'), video.warning ? t('warning', { words: said(video.warning) }) : '');
  }

  /** `known`: frames whose events are here already, which is fresher than the last status. */
  progress(known) {
    const { state, frames_done: told, frames_total: total, detect_fps: fps } = this.#video;
    const done = Math.max(known, told ?? 0);
    grouped(byTest('frames'), total ? `${done} / ${total}` : String(done));
    text(byTest('left'), isActive(state) && fps > 0 && total ? span(Math.max(0, total - done) / fps) : '–');
    const bar = byId('done');
    bar.max = total || Math.max(1, done);
    bar.value = state === STATE.done ? bar.max : total ? Math.min(done, total) : 0;
  }

  #facts(video) {
    const facts = [];
    if (video.width) facts.push(`${video.width} × ${video.height}`);
    if (video.duration) facts.push(`${video.duration_estimated ? '≈ ' : ''}${clock(video.duration)}`);
    const model = this.#models.find(({ name }) => name === video.model);
    if (video.model) facts.push(video.model);
    if (model) facts.push([model.provider, model.precision].filter(Boolean).join(' '));
    return facts.join(' · ');
  }
}

/** Long numbers in groups of three. The gaps are the style's: as text they stay numbers that a program can read. */
function grouped(element, words) {
  if (element.textContent === words) return;
  const groups = words.split(/(?<=\d)(?=(?:\d{3})+(?!\d))/);
  const rest = groups.slice(1).map((digits) => {
    const group = document.createElement('span');
    group.className = 'group';
    group.textContent = digits;
    return group;
  });
  element.replaceChildren(groups[0], ...rest);
}

// Screen readers and selections are left alone when nothing has changed.
function text(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

