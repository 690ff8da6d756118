// <sg-found>: what was found in the shown picture: a table of objects, or bars of classes.

import { colourOf } from './colours.js';
import { onLanguage, t } from './i18n.js';
import { count, oneDigit, percentOneDigit } from './format.js';

class FoundList extends HTMLElement {
  #none = this.querySelector('.none');
  #table = this.querySelector('.scroll');
  #rows = this.querySelector('tbody');
  #bars = this.querySelector('.bars');
  #shown = [null, null];

  connectedCallback() {
    onLanguage(() => this.show(...this.#shown));
  }

  /** `answer`: as `Picture.answers` keeps it, `seen`: its detections as far as they are shown, or null for classes. */
  show(answer, seen) {
    this.#shown = [answer, seen];
    const classes = answer?.found?.classes;
    this.#rows.replaceChildren(...(seen ?? []).map(row));
    this.#bars.replaceChildren(...(classes ?? []).map(bar));
    this.#table.hidden = !seen?.length;
    this.#bars.hidden = !classes?.length;
    this.#none.hidden = !this.#table.hidden || !this.#bars.hidden;
    this.#none.textContent = answer?.error ?? t(answer ? 'image.nothing' : 'image.unasked');
  }
}

function row({ label, class_id: id, score, box }) {
  const line = document.createElement('tr');
  const head = document.createElement('th');
  head.scope = 'row';
  const name = document.createElement('span');
  name.className = 'class';
  const dot = document.createElement('span');
  dot.className = 'dot';
  dot.style.backgroundColor = colourOf(id).line;
  name.append(dot, label);
  head.append(name);
  const cells = [score.toFixed(2), ...box.map(oneDigit)].map((words) => {
    const cell = document.createElement('td');
    cell.textContent = words;
    return cell;
  });
  line.append(head, ...cells);
  return line;
}

function bar({ label, score }, place) {
  const line = document.createElement('li');
  const name = document.createElement('span');
  name.textContent = label;
  const meter = document.createElement('progress');
  meter.max = 1;
  meter.value = score;
  meter.setAttribute('aria-label', `${count(place + 1)}. ${label}`);
  const part = document.createElement('span');
  part.className = 'part';
  part.textContent = percentOneDigit(score);
  line.append(name, meter, part);
  return line;
}

customElements.define('sg-found', FoundList);
