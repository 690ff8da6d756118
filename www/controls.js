// Play and pause, seeking, stepping, full screen, and the keys for them.

import { clock, percent } from './format.js';
import { onLanguage, t } from './i18n.js';
import { STATE } from './protocol.js';

const byId = (id) => document.getElementById(id);

export class Controls {
  #player;
  #view;
  #track = null;
  #video = null;
  #pause = byId('pause');
  #seek = byId('seek');
  #time = byId('time');
  #pill = byId('pill');
  #source = byId('source');
  #method = byId('method');
  #rate = byId('rate');
  #dragging = false;

  constructor(player, view) {
    this.#player = player;
    this.#view = view;
    this.#pause.onclick = () => player.toggle();
    byId('back').onclick = () => player.step(-1);
    byId('forth').onclick = () => player.step(1);
    byId('full').onclick = () => toggleFull();
    byId('full').hidden = !document.fullscreenEnabled;
    byId('view').onclick = () => player.toggle();
    this.#seek.oninput = () => {
      this.#dragging = true;
      player.seek(Number(this.#seek.value));
    };
    this.#seek.onchange = () => {
      this.#dragging = false;
      this.update();
    };
    document.addEventListener('keydown', (event) => this.#key(event));
    onLanguage(() => this.update());
  }

  open(video, track) {
    this.#track = track;
    this.#dragging = false;
    this.#rate.hidden = true;
    this.#seek.value = 0;
    this.video = video;
  }

  set video(video) {
    this.#video = video;
    this.update();
  }

  update() {
    if (!this.#track) return;
    const { playing } = this.#player;
    const words = t(playing ? 'pause' : 'play');
    const text = this.#pause.querySelector('span');
    if (text.textContent !== words) text.textContent = words;
    this.#pause.classList.toggle('playing', playing);
    const known = Math.max(0, this.#track.lastTime);
    const total = this.#track.complete ? known : Math.max(known, this.#video.duration ?? 0);
    const now = this.#player.frame >= 0 ? this.#track.time(this.#player.frame) : 0;
    this.#seek.disabled = this.#track.length === 0;
    this.#seek.max = String(total);
    if (!this.#dragging) this.#seek.value = String(now);
    this.#seek.style.setProperty('--known', percentOf(known, total));
    this.#seek.style.setProperty('--now', percentOf(now, total));
    this.#seek.setAttribute('aria-valuetext', t('seek.value', { time: clock(now, 1), total: clock(total) }));
    // Frames are sought by their beginning; for a person a video lasts until its last frame ends.
    const lasts = this.#track.complete ? this.#track.end : Math.max(total, this.#track.end);
    this.#time.textContent = `${clock(now, 2)} / ${clock(Math.round(lasts * 1000) / 1000)}`;
    this.#say();
  }

  #say() {
    const words = this.#words();
    this.#pill.hidden = !words;
    if (words && this.#pill.textContent !== words) this.#pill.textContent = words;
    // Beside the picture, not on it: these two may stay for as long as the video plays.
    const { fromServer, method, why, playing, rate } = this.#player;
    this.#source.hidden = !fromServer;
    const isUntold = why === 'unproven' || why === 'times';
    this.#source.title = isUntold ? t('source.server.unproven') : t('source.server.why');
    const matched = method ? t('method', { method: t(`method.${method}`) }) : '';
    if (this.#method.textContent !== matched) this.#method.textContent = matched;
    this.#method.dataset.frameMethod = method ?? '';
    const slow = playing && rate < 0.99;
    if (slow) this.#rate.hidden = false;
    if (this.#track.complete) this.#rate.hidden = true;
    const speed = slow ? t('rate', { rate: percent(rate) }) : '';
    if (this.#rate.textContent !== speed) this.#rate.textContent = speed;
    this.#rate.title = slow ? t('rate.why') : '';
  }

  #words() {
    const { state } = this.#video;
    const over = this.#track.complete || state === STATE.failed || state === STATE.cancelled;
    if (!over && state === STATE.queued && this.#track.length === 0) return t('pill.queued');
    if (!over && (this.#player.waiting || this.#view.frame < 0)) return t('pill.waiting');
    return '';
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.#track) return;
    const on = event.target instanceof Element ? event.target : document.body;
    const seek = on === this.#seek;
    const typing = on.matches('select, textarea, input:not([type=checkbox])') && !seek;
    const pressable = on.matches('button, a, select, input, summary') && !seek;
    const act = {
      ' ': () => !pressable && this.#player.toggle(),
      k: () => !typing && this.#player.toggle(),
      ArrowLeft: () => !typing && this.#player.step(-1),
      ArrowRight: () => !typing && this.#player.step(1),
      ',': () => !typing && this.#player.step(-1),
      '.': () => !typing && this.#player.step(1),
      f: () => !typing && toggleFull(),
    }[event.key];
    if (act && act() !== false) event.preventDefault();
  }
}

const percentOf = (part, whole) => `${whole > 0 ? Math.min(100, (100 * part) / whole) : 0}%`;

function toggleFull() {
  if (document.fullscreenElement) document.exitFullscreen();
  else byId('stage').requestFullscreen?.().catch(() => {}); // refused: then it stays as it is
}
