// One network camera, large: its pictures at full width, with threshold, classes, snapshot and recording.

import { DrawOptions } from './draw-options.js';
import { toggleFull } from './full-screen.js';
import { t } from './i18n.js';
import { LiveTrack } from './live-track.js';
import { figures, whyDark } from './network-tile.js';
import { saveSnapshot } from './snapshot.js';
import { StreamPictures } from './stream-pictures.js';
import { View } from './view.js';

const WIDTH = 1280;

const byId = (id) => document.getElementById(id);

export class NetworkLarge {
  #dialog = byId('large');
  #record = byId('large-recording');
  #draw;
  #view;
  #track = new LiveTrack();
  #feed = null;
  #id = null;
  #planned = false;

  constructor() {
    this.#draw = new DrawOptions(byId('large-options'), () => this.#redraw());
    this.#view = new View(byId('large-view'), this.#draw.options);
    byId('large-close').onclick = () => this.#dialog.close();
    byId('large-full').onclick = () => toggleFull(byId('large-glass'));
    byId('large-snapshot').onclick = () => this.#view.frame >= 0 && saveSnapshot(byId('large-view'), 'sightglass');
    this.#dialog.onclose = () => this.#close();
  }

  open(stream, model) {
    this.#id = stream.id;
    this.#track = new LiveTrack();
    this.#view.reset(this.#track, { width: stream.width ?? WIDTH, height: stream.height ?? (WIDTH * 9) / 16 });
    this.#draw.open(model, stream.threshold);
    this.#dialog.showModal();
    this.#record.reset(stream.id);
    this.#record.open(stream.id, () => this.#draw.choice(this.#track.labels));
    this.update([stream]);
    this.watch();
  }

  /** Of all streams the one that is open. */
  update(streams) {
    if (!this.#dialog.open) return;
    const stream = streams.find(({ id }) => id === this.#id);
    if (!stream) {
      this.#dialog.close();
      return;
    }
    byId('large-name').textContent = stream.name || stream.url || stream.id;
    byId('large-state').textContent = t(`live.${stream.state}`);
    byId('large-state').dataset.state = stream.state;
    byId('large-facts').textContent = figures(stream);
    const why = whyDark(stream);
    byId('large-why').hidden = !why;
    if (byId('large-why').textContent !== why) byId('large-why').textContent = why;
    this.#record.update(stream);
  }

  /** Pictures come while the dialog and the page can be seen. */
  watch() {
    const wanted = this.#dialog.open && !document.hidden;
    if (wanted === Boolean(this.#feed)) return;
    this.#feed?.close();
    const show = (event, picture) => this.#show(event, picture);
    this.#feed = wanted ? new StreamPictures(this.#id, WIDTH, { show, ended: () => {} }) : null;
  }

  #close() {
    if (document.fullscreenElement) document.exitFullscreen();
    this.#id = null;
    this.watch();
    this.#record.reset();
    this.#view.reset(this.#track, {});
  }

  #show(event, picture) {
    this.#track.take(event, picture);
    this.#view.show(event.frame, picture);
    this.#later();
  }

  #redraw() {
    this.#view?.redraw();
    if (this.#view) this.#later();
  }

  #later() {
    if (this.#planned) return;
    this.#planned = true;
    requestAnimationFrame(() => {
      this.#planned = false;
      this.#draw.update(this.#track, this.#view.frame);
    });
  }
}
