// <sg-gallery>: a tile for each of several pictures, with what came of it. A press shows the picture large (event `open-picture`).

import { colourOf } from './colours.js';
import { count, percent } from './format.js';
import { t } from './i18n.js';

const SVG = 'http://www.w3.org/2000/svg';

class Gallery extends HTMLElement {
  #list = this.querySelector('ul');
  #tiles = []; // { button, boxes, words }

  connectedCallback() {
    this.#list.onkeydown = (event) => this.#key(event);
  }

  /** One picture alone needs no gallery. */
  open(pictures) {
    this.#tiles = [];
    this.#list.replaceChildren();
    for (const picture of pictures) this.#add(picture);
    this.hidden = pictures.length < 2;
  }

  set current(index) {
    this.#tiles.forEach(({ button }, i) => {
      if (i === index) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
      button.tabIndex = i === index ? 0 : -1;
    });
  }

  /** `answer`: of the shown task, as `Picture.answers` keeps it; `seen`: its detections as far as they are shown. */
  update(index, picture, answer, seen) {
    const { button, boxes, words } = this.#tiles[index];
    const said = wordsFor(answer, seen);
    words.textContent = said;
    words.title = said;
    button.classList.toggle('failed', Boolean(answer?.error));
    button.setAttribute('aria-label', [picture.name, said].filter(Boolean).join(': '));
    boxes.replaceChildren(...(seen ?? []).map(outline));
  }

  set title(words) {
    this.querySelector('h2').textContent = words;
  }

  #add(picture) {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.testid = 'tile';
    const image = document.createElement('img');
    image.alt = '';
    image.src = URL.createObjectURL(picture.thumbnail);
    image.onload = image.onerror = () => URL.revokeObjectURL(image.src);
    const boxes = document.createElementNS(SVG, 'svg');
    boxes.setAttribute('viewBox', `0 0 ${picture.width} ${picture.height}`);
    boxes.setAttribute('aria-hidden', 'true');
    const name = document.createElement('span');
    name.className = 'name';
    name.textContent = picture.name;
    const words = document.createElement('span');
    words.className = 'quiet';
    const frame = document.createElement('span');
    frame.className = 'frame';
    frame.append(image, boxes);
    button.append(frame, name, words);
    const index = this.#tiles.length;
    button.onclick = () => this.dispatchEvent(new CustomEvent('open-picture', { detail: index }));
    const item = document.createElement('li');
    item.append(button);
    this.#list.append(item);
    this.#tiles.push({ button, boxes, words });
  }

  #key({ key }) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    const at = this.#tiles.findIndex(({ button }) => button === document.activeElement);
    if (step && at >= 0) this.#tiles[at + step]?.button.focus();
  }
}

function outline({ class_id: id, box: [x, y, width, height] }) {
  const rect = document.createElementNS(SVG, 'rect');
  for (const [name, value] of Object.entries({ x, y, width, height, stroke: colourOf(id).line })) rect.setAttribute(name, value);
  return rect;
}

function wordsFor(answer, seen) {
  if (!answer) return '';
  if (answer.error) return answer.error;
  if (seen) return t('image.found', { n: count(seen.length) });
  const [best] = answer.found.classes;
  return best ? t('image.class', { label: best.label, percent: percent(best.score) }) : '';
}

customElements.define('sg-gallery', Gallery);
