// <sg-classes>: a chip for every class that was found so far at the threshold, with how many are on the shown frame; each can
// be switched off.

import { colourOf } from './colours.js';
import { count } from './format.js';
import { onLanguage, t } from './i18n.js';
import { passes } from './track.js';

class ClassFilter extends HTMLElement {
  #chips = new Map(); // class_id → { chip, number }
  #hidden = new Set();
  #list = document.createElement('div');
  #none = document.createElement('p');

  connectedCallback() {
    this.#list.className = 'chips';
    this.#list.setAttribute('role', 'group');
    this.#none.className = 'quiet';
    this.append(this.#none, this.#list);
    const words = () => {
      this.#none.textContent = t('classes.none');
      this.#list.setAttribute('aria-label', t('classes'));
    };
    words();
    onLanguage(words);
  }

  /** `hidden` is the set that the drawing reads; this element changes it. */
  reset(hidden) {
    hidden.clear();
    this.#hidden = hidden;
    this.#chips.clear();
    this.#list.replaceChildren();
    this.#none.hidden = false;
  }

  /** `track`: labels, best scores and counts. The server keeps more than the threshold lets through; those are no finds. */
  update(track, frame, threshold) {
    const counts = track.counts(frame, threshold);
    let isEmpty = true;
    for (const [id, best] of track.best) {
      const isFound = passes(best, threshold);
      if (isFound && !this.#chips.has(id)) this.#add(id, track.labels.get(id));
      const entry = this.#chips.get(id);
      if (!entry) continue;
      entry.chip.hidden = !isFound;
      if (isFound) isEmpty = false;
      const words = count(counts.get(id) ?? 0);
      if (entry.number.textContent !== words) entry.number.textContent = words;
    }
    this.#none.hidden = !isEmpty;
  }

  #add(id, label) {
    const chip = document.createElement('label');
    chip.className = 'chip';
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.checked = true;
    box.dataset.classId = id;
    box.onchange = () => {
      if (box.checked) this.#hidden.delete(id);
      else this.#hidden.add(id);
      this.dispatchEvent(new Event('change'));
    };
    const dot = document.createElement('span');
    dot.className = 'dot';
    dot.style.backgroundColor = colourOf(id).line;
    const name = document.createElement('span');
    name.textContent = label;
    const number = document.createElement('span');
    number.className = 'number';
    chip.append(box, dot, name, number);
    this.#chips.set(id, { chip, number });
    // In the order of the ids, wherever they turn up in the video.
    const after = [...this.#list.children].find((other) => Number(other.firstChild.dataset.classId) > id);
    this.#list.insertBefore(chip, after ?? null);
  }
}

customElements.define('sg-classes', ClassFilter);
