// Threshold, labels, scores and classes of a live source: applied as it is drawn, so that a change shows at once.

import './class-filter.js';

const FALLBACK_THRESHOLD = 0.25;
const LEAST = 0.1; // asked of the server, so that the threshold can be lowered while it runs

/** What to ask the server for, so that everything that the slider allows is told. */
export const leastThreshold = (model) => Math.min(LEAST, model?.threshold ?? LEAST);

export class DrawOptions {
  /** What paint() reads. */
  options = { threshold: FALLBACK_THRESHOLD, labels: true, scores: true, hidden: new Set(), mirror: false };
  #slider;
  #number;
  #labels;
  #scores;
  #filter;
  #changed;

  constructor(root, changed) {
    this.#slider = root.querySelector('input[type=range]');
    this.#number = root.querySelector('.slider output');
    this.#labels = root.querySelector('.show-labels');
    this.#scores = root.querySelector('.show-scores');
    this.#filter = root.querySelector('sg-classes');
    this.#changed = changed;
    this.#slider.oninput = () => this.#read();
    this.#labels.onchange = () => this.#read();
    this.#scores.onchange = () => this.#read();
    this.#filter.addEventListener('change', () => changed());
    this.#read();
  }

  /** For another source: `model` as the server describes it, `least` the score below which nothing is told. */
  open(model, least) {
    this.#filter.reset(this.options.hidden);
    this.#slider.min = String(least);
    this.#slider.value = String(Math.max(least, model?.threshold ?? FALLBACK_THRESHOLD));
    this.#read();
  }

  /** After a drawing. */
  update(track, frame) {
    this.#filter.update(track, frame, this.options.threshold);
  }

  /** The same choice for a recording. */
  choice(labels) {
    const { threshold, labels: named, scores, hidden } = this.options;
    const classes = hidden.size ? [...labels.keys()].filter((id) => !hidden.has(id)) : null;
    return { threshold, labels: named, scores, classes };
  }

  #read() {
    this.options.threshold = Number(this.#slider.value);
    this.options.labels = this.#labels.checked;
    this.options.scores = this.#scores.checked;
    this.#number.textContent = this.options.threshold.toFixed(2);
    this.#changed();
  }
}
