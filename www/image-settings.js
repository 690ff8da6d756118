// What a picture is sent with: task, model, size, quality, and who draws. Each task has its own model.

import { leastThreshold } from './draw-options.js';
import { percent } from './format.js';
import { onLanguage, t } from './i18n.js';
import { TASK } from './protocol.js';

const byId = (id) => document.getElementById(id);

// So many classes of a picture are shown.
const CLASSES = 10;
const IMPORT = 'sightglass models import NAME --onnx FILE --labels FILE';

export class ImageSettings {
  task = TASK.detect;
  #models = null; // not known yet
  #chosen = new Map(); // task → name of the model
  #section = byId('settings');
  #model = byId('model');
  #longSide = byId('long-side');
  #quality = byId('quality');
  #drawnBy = byId('drawn-by');

  /** hooks: model(): another model, size(): other bytes will be sent */
  constructor({ model, size }) {
    this.#model.onchange = () => {
      this.#chosen.set(this.task, this.#model.value);
      model();
    };
    this.#longSide.onchange = () => {
      this.#show();
      size();
    };
    this.#quality.oninput = () => this.#show();
    this.#quality.onchange = size;
    this.#drawnBy.onchange = () => this.#show();
    onLanguage(() => this.#show());
    this.#show();
  }

  set models(models) {
    this.#models = models;
    this.open(this.task);
  }

  /** The server has said which models it has. */
  get known() {
    return this.#models !== null;
  }

  open(task) {
    this.task = task;
    const own = this.#own();
    const options = own.map(({ name }) => new Option(name, name));
    this.#model.replaceChildren(...options);
    if (this.model) this.#model.value = this.model.name;
    this.#show();
  }

  set locked(locked) {
    for (const control of this.#section.querySelectorAll('select, input')) control.disabled = locked;
    if (!locked) this.#show();
  }

  /** The model that is asked, as the server describes it; null: none of this task is served. */
  get model() {
    const own = this.#own();
    return own.find(({ name }) => name === this.#chosen.get(this.task)) ?? own.find((model) => model.default) ?? own[0] ?? null;
  }

  get size() {
    return { longSide: Number(this.#longSide.value), quality: Number(this.#quality.value) / 100 };
  }

  /** The query of a call. What the server draws stays as it is; the browser can go below the threshold later. */
  query({ threshold, labels, scores }) {
    const output = this.#drawnBy.value;
    const query = { task: this.task, model: this.model?.name, output };
    if (output !== 'json') Object.assign(query, { labels, scores });
    if (this.task === TASK.classify) query.top_k = CLASSES;
    if (this.task === TASK.detect) query.threshold = output === 'json' ? leastThreshold(this.model) : threshold;
    return query;
  }

  #own() {
    return (this.#models ?? []).filter(({ task }) => task === this.task);
  }

  #show() {
    byId('model-choice').hidden = this.#own().length < 2;
    byId('quality-value').textContent = percent(this.#quality.value / 100);
    this.#quality.disabled = this.#longSide.value === '0';
    byId('drawn-hint').hidden = this.#drawnBy.value === 'json';
    const none = byId('none-served');
    none.hidden = !this.#models || this.#own().length > 0;
    none.querySelector('h2').textContent = this.task === TASK.detect ? t('image.unserved.detect') : t('image.unserved.classify');
    const all = [...(this.#models ?? []).map(({ name }) => name), 'NAME'];
    none.querySelector('code').textContent = `${IMPORT}\nsightglass serve ${all.map((name) => `--model ${name}`).join(' ')}`;
  }
}
