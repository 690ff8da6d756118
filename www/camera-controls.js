// The buttons, choosers and words around the picture of this device's camera.

import { Camera } from './camera-device.js';
import { toggleFull } from './full-screen.js';
import { onLanguage, t } from './i18n.js';

const byId = (id) => document.getElementById(id);

export class CameraControls {
  #acts;
  #state = null;
  #facing = '';
  #all = { all: [], current: {} };

  /** acts: start, stop, toggle, snapshot, mirror(bool), camera (another one or another size), model */
  constructor(acts) {
    this.#acts = acts;
    byId('start').onclick = acts.start;
    byId('stop').onclick = acts.stop;
    byId('pause').onclick = acts.toggle;
    byId('snapshot').onclick = acts.snapshot;
    byId('mirror').onclick = () => acts.mirror(byId('mirror').getAttribute('aria-pressed') !== 'true');
    byId('full').onclick = () => toggleFull(byId('stage'));
    byId('flip').onclick = () => this.#flip();
    byId('device').onchange = () => {
      this.#facing = '';
      acts.camera();
    };
    byId('size').onchange = acts.camera;
    byId('model').onchange = acts.model;
    document.addEventListener('keydown', (event) => this.#key(event));
    onLanguage(() => {
      this.cameras = this.#all;
      if (this.#state) this.render(this.#state);
    });
    this.#explain();
  }

  /** What to open: { device, facing, width, height } */
  get wish() {
    const [width, height] = byId('size').value.split('x').map(Number);
    return { device: this.#facing ? '' : byId('device').value, facing: this.#facing, width, height };
  }

  get model() {
    return byId('model').value;
  }

  set models(models) {
    byId('model').replaceChildren(...models.map(({ name, default: usual }) => new Option(name, name, usual, usual)));
    byId('model-choice').hidden = models.length < 2;
  }

  /** The cameras that there are, and the open one. */
  set cameras({ all, current }) {
    this.#all = { all, current };
    const options = all.map(({ device, name }, i) => new Option(name || t('camera.number', { n: i + 1 }), device));
    if (!options.length) options.push(new Option(t('camera.usual'), ''));
    const chooser = byId('device');
    const chosen = current.device || chooser.value;
    chooser.replaceChildren(...options);
    chooser.value = options.some(({ value }) => value === chosen) ? chosen : options[0].value;
    byId('flip').hidden = all.length < 2 || !matchMedia('(pointer: coarse)').matches;
    if (current.facing) this.#facing = this.#facing && current.facing;
  }

  set mirrored(mirrored) {
    byId('mirror').setAttribute('aria-pressed', String(mirrored));
  }

  /** state: { state, paused, out, link, jpeg, stream, blank } */
  render(state) {
    this.#state = state;
    const on = state.state !== 'off';
    byId('begin').hidden = on;
    byId('start').disabled = !Camera.possible;
    byId('stop').hidden = !on;
    byId('pause').hidden = !on;
    byId('pause').disabled = state.state !== 'on';
    byId('pause').classList.toggle('playing', !state.paused);
    text(byId('pause').querySelector('span'), t(state.paused ? 'play' : 'pause'));
    byId('snapshot').disabled = state.blank;
    byId('dark').hidden = !state.blank;
    const stands = this.#stands(state);
    text(byId('state'), t(`live.${stands}`));
    byId('state').dataset.state = stands;
    text(document.querySelector('[data-testid=transport]'), state.link?.name ?? '');
    text(byId('facts'), on ? facts(state) : '');
    byId('way').hidden = !on || !state.jpeg;
    text(byId('way'), t('camera.jpeg'));
    const pill = this.#pill(state, stands);
    byId('pill').hidden = !pill;
    text(byId('pill'), pill);
    document.title = on ? `${t(`live.${stands}`)} – Sightglass` : 'Sightglass';
  }

  #stands({ state, paused, link, blank }) {
    if (state === 'off') return 'off';
    if (paused) return 'paused';
    return link && !blank ? 'live' : 'connecting';
  }

  #pill({ state, out, link, blank }, stands) {
    if (state === 'asking') return t('camera.asking');
    if (out) return t('camera.out');
    if (stands !== 'connecting') return '';
    return t(link && blank ? 'camera.first' : 'camera.connecting');
  }

  #flip() {
    const now = this.#all.current.facing || 'user';
    this.#facing = now === 'user' ? 'environment' : 'user';
    this.#acts.camera();
  }

  #explain() {
    byId('insecure').hidden = Camera.possible;
    byId('work').hidden = !Camera.possible;
    if (Camera.possible) return;
    const secure = new URL(location.href);
    secure.protocol = 'https:';
    byId('insecure-https').href = secure.href;
    byId('insecure-https').textContent = `${secure.origin}/camera`;
    byId('insecure-local').textContent = `http://localhost${location.port ? `:${location.port}` : ''}/camera`;
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || byId('camera').hidden || document.querySelector('dialog[open]')) return;
    const on = event.target instanceof Element ? event.target : document.body;
    const pressable = on.matches('button, a, select, input, summary');
    const typing = on.matches('select, textarea, input:not([type=checkbox])');
    const button = { ' ': !pressable && 'pause', k: !typing && 'pause', s: !typing && 'snapshot', f: !typing && 'full' }[event.key];
    if (!button || byId(button).hidden || byId(button).disabled) return;
    event.preventDefault();
    byId(button).click();
  }
}

function facts({ stream, blank }) {
  const { width, height } = blank ? {} : byId('view');
  return [width && `${width} × ${height}`, stream?.codec, stream?.model].filter(Boolean).join(' · ');
}

// Screen readers and selections are left alone when nothing has changed.
function text(element, words) {
  if (element.textContent !== words) element.textContent = words;
}
