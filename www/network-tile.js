// One network camera on the wall: its picture with its boxes, how it goes, and what can be done with it.

import { deleteStream, pauseStream, resumeStream } from './api.js';
import { count, oneDigit, span } from './format.js';
import { toggleFull } from './full-screen.js';
import { t, translate } from './i18n.js';
import { LiveTrack } from './live-track.js';
import { LIVE } from './protocol.js';
import { said } from './said.js';
import { StreamPictures } from './stream-pictures.js';
import { View } from './view.js';

const WIDTH = 480;

export class NetworkTile {
  element;
  near = false; // in sight or almost
  #stream;
  #hooks;
  #track = new LiveTrack();
  #view;
  #options;
  #feed = null;
  #watched = false;

  /** hooks: open(stream), changed(), failed(words) */
  constructor(stream, model, hooks) {
    this.#stream = stream;
    this.#hooks = hooks;
    const template = document.getElementById('tile');
    this.element = document.importNode(template.content.firstElementChild, true);
    this.element.dataset.id = stream.id;
    const threshold = Math.max(stream.threshold, model?.threshold ?? 0);
    this.#options = { threshold, labels: true, scores: false, hidden: new Set() };
    this.#view = new View(this.#part('tile-view'), this.#options);
    this.#view.reset(this.#track, { width: WIDTH, height: (WIDTH * 9) / 16 });
    const on = (name, act) => (this.#part(name).onclick = act);
    on('tile-pause', () => this.#act(() => (this.#stream.state === LIVE.paused ? resumeStream : pauseStream)(stream.id)));
    on('tile-open', () => hooks.open(this.#stream));
    on('tile-view', () => hooks.open(this.#stream));
    on('tile-full', () => toggleFull(this.element.querySelector('.glass')));
    on('tile-delete', () => this.#ask(true));
    on('tile-keep', () => this.#ask(false));
    on('tile-delete-sure', () => this.#act(() => this.#delete()));
    this.element.querySelector('.sure').onkeydown = ({ key }) => key === 'Escape' && this.#ask(false);
  }

  /** To be called when the element is in the document. */
  placed() {
    const record = this.element.querySelector('sg-record');
    record.reset(this.#stream.id);
    record.open(this.#stream.id, () => ({ threshold: this.#options.threshold }));
    this.update(this.#stream);
  }

  /** Whether somebody can see it: only then are pictures asked for. */
  set watched(watched) {
    this.#watched = watched;
    this.#follow();
  }

  update(stream) {
    this.#stream = stream;
    translate(this.element);
    const name = stream.name || stream.url || stream.id;
    const { state } = stream;
    text(this.element.querySelector('h3'), name);
    text(this.#part('tile-state'), t(`live.${state}`));
    this.#part('tile-state').dataset.state = state;
    this.#part('tile-view').setAttribute('aria-label', t('network.view.of', { name }));
    text(this.#part('tile-figures'), state === LIVE.live ? figures(stream) : '');
    text(this.element.querySelector('.address'), stream.url ?? '');
    const why = whyDark(stream);
    this.#part('tile-why').hidden = !why;
    text(this.#part('tile-why'), why);
    const button = this.#part('tile-pause');
    this.#name(button, t(state === LIVE.paused ? 'network.play.of' : 'network.pause.of', { name }));
    button.classList.toggle('play', true);
    button.classList.toggle('playing', state !== LIVE.paused);
    this.#name(this.#part('tile-delete'), t('network.remove.of', { name }));
    this.element.querySelector('sg-record').update(stream);
    this.#follow();
  }

  close() {
    this.#watched = false;
    this.#follow();
    this.#view.reset(this.#track, {});
    this.element.remove();
  }

  #follow() {
    const wanted = this.#watched && this.#stream.state !== LIVE.ended;
    if (wanted === Boolean(this.#feed)) return;
    this.#feed?.close();
    this.#feed = wanted
      ? new StreamPictures(this.#stream.id, WIDTH, { show: (event, picture) => this.#show(event, picture), ended: () => this.#hooks.changed() })
      : null;
  }

  #show(event, picture) {
    this.#track.take(event, picture);
    this.#view.show(event.frame, picture);
  }

  #ask(sure) {
    this.element.querySelector('.sure').hidden = !sure;
    this.#part(sure ? 'tile-delete-sure' : 'tile-delete').focus();
  }

  async #delete() {
    try {
      await deleteStream(this.#stream.id);
    } catch (error) {
      if (error.status !== 404) throw error; // gone is gone
    }
  }

  async #act(work) {
    try {
      const stream = await work();
      if (stream) this.update(stream);
      this.#hooks.changed();
    } catch (error) {
      this.#hooks.failed(error.message);
    }
  }

  #part(name) {
    return this.element.querySelector(`[data-testid=${name}]`);
  }

  #name(button, words) {
    button.setAttribute('aria-label', words);
    button.title = words;
  }
}

/** Why a camera shows no picture, and when it is tried again; '' while it shows one. */
export function whyDark({ state, error, retry_at: retry }) {
  if (state === LIVE.connecting) return t('network.connecting');
  if (![LIVE.reconnecting, LIVE.waiting, LIVE.ended].includes(state)) return '';
  const words = error ? said(error) : '';
  const left = (Date.parse(retry ?? '') - Date.now()) / 1000;
  return left > 0 ? t('network.retry', { words, span: span(left) }) : words;
}

/** Frames a second, latency, what was skipped: as the server tells it. */
export function figures({ detect_fps: fps, latency_ms: latency, frames_dropped: dropped, width, height }) {
  return [
    width && `${width} × ${height}`,
    fps > 0 && `${oneDigit(fps)} ${t('fps.unit')}`,
    latency > 0 && `${count(latency)} ms`,
    t('network.skipped', { n: count(dropped ?? 0) }),
  ]
    .filter(Boolean)
    .join(' · ');
}

function text(element, words) {
  if (element.textContent !== words) element.textContent = words;
}
