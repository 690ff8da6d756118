// This device's camera: opens it, sends its pictures, and draws each with its boxes when they come back.

import { Camera, eachPicture, troubleOf } from './camera-device.js';
import { CameraControls } from './camera-controls.js';
import { DrawOptions, leastThreshold } from './draw-options.js';
import { t } from './i18n.js';
import { LiveMeters } from './live-meters.js';
import { LiveSession } from './live-session.js';
import { LiveTrack } from './live-track.js';
import { EVENT } from './protocol.js';
import { said } from './said.js';
import { saveSnapshot } from './snapshot.js';
import { View } from './view.js';
import { keepAwake } from './wake-lock.js';

const HIDDEN = 5000; // milliseconds out of sight after which nothing is sent until the page is seen again
const STILL = 5000; // without a picture from the camera it is said
const LOOK = 1000;

const byId = (id) => document.getElementById(id);
const byTest = (name) => document.querySelector(`[data-testid=${name}]`);

export class OwnCamera {
  #message;
  #models = [];
  #camera;
  #session;
  #view;
  #track = new LiveTrack();
  #draw;
  #meters;
  #controls;
  #record = byId('recording');
  #state = 'off'; // 'off', 'asking' for the camera, 'on'
  #stream = null; // the server's, as it last told
  #link = null; // the way that is open
  #out = false; // paused by itself, because nobody sees it
  #pictureAt = 0;
  #ended = () => {};
  #hiddenTimer = 0;
  #planned = false;
  #shown = true; // its tab is

  constructor(message) {
    this.#message = message;
    this.#draw = new DrawOptions(byId('work'), () => this.#redraw());
    this.#view = new View(byId('view'), this.#draw.options);
    this.#view.reset(this.#track, { width: 640, height: 480 }); // the shape of most cameras
    this.#camera = new Camera(byId('eye'), { gone: () => this.#gone(), changed: () => this.#listCameras() });
    const asked = new URLSearchParams(location.search);
    const only = ['webrtc', 'jpeg'].find((way) => way === asked.get('transport'));
    this.#session = new LiveSession(this.#hooks(), { only, codec: asked.get('codec') });
    const places = { fps: byTest('fps'), latency: byTest('latency'), dropped: byTest('dropped') };
    this.#meters = new LiveMeters(places, () => this.#session.skipped);
    this.#controls = new CameraControls({
      start: () => this.start(),
      stop: () => this.stop(),
      toggle: () => (this.#session.paused ? this.resume() : this.pause()),
      snapshot: () => saveSnapshot(byId('view'), 'sightglass'),
      mirror: (mirror) => this.#mirror(mirror),
      camera: () => this.#state !== 'off' && this.start(),
      model: () => this.#state === 'on' && this.#connect(),
    });
    document.addEventListener('visibilitychange', () => this.#look());
    addEventListener('pagehide', () => this.stop());
    setInterval(() => this.#watch(), LOOK);
    if (Camera.possible) this.#listCameras();
    this.#render();
  }

  set models(models) {
    this.#models = models;
    this.#controls.models = models;
    if (this.#state === 'off') this.#choose();
  }

  /** Whether its tab is shown. */
  set seen(seen) {
    this.#shown = seen;
    this.#look();
  }

  /** Opens the camera that is chosen, also when another one is open. */
  async start() {
    this.#message.clear();
    this.#state = 'asking';
    this.#ended();
    this.#render();
    try {
      if (!(await this.#camera.open(this.#controls.wish))) return;
    } catch (error) {
      this.stop();
      this.#message.error(t(troubleOf(error), { words: error?.message ?? '' }), 'camera');
      return;
    }
    this.#state = 'on';
    this.#pictureAt = performance.now();
    this.#mirror(this.#camera.current.facing === 'user');
    this.#listCameras();
    if (!this.#session.running) this.#connect();
    this.#ended = eachPicture(byId('eye'), (at) => this.#picture(at));
    keepAwake(true);
    this.#render();
  }

  stop() {
    this.#ended();
    this.#camera.close();
    this.#session.stop();
    this.#meters.stop();
    this.#record.open(null, null);
    keepAwake(false);
    this.#state = 'off';
    this.#link = this.#stream = null;
    this.#out = false;
    this.#message.clear('link');
    this.#render();
  }

  pause() {
    this.#session.pause();
    this.#meters.stop();
    keepAwake(false);
    this.#render();
  }

  resume() {
    this.#out = false;
    this.#session.resume();
    this.#meters.start();
    keepAwake(true);
    this.#render();
  }

  // A session from its beginning, with the model that is chosen.
  #connect() {
    const model = this.#choose();
    this.#track = new LiveTrack();
    this.#view.reset(this.#track, { width: byId('eye').videoWidth, height: byId('eye').videoHeight });
    this.#link = this.#stream = null;
    this.#out = false;
    this.#session.start({ model: model?.name, threshold: leastThreshold(model), name: this.#camera.current.name });
    this.#meters.start();
    this.#render();
  }

  #choose() {
    const model = this.#models.find(({ name }) => name === this.#controls.model) ?? this.#models.find((one) => one.default);
    this.#draw.open(model, leastThreshold(model));
    return model;
  }

  #picture(at) {
    this.#pictureAt = performance.now();
    this.#message.clear('still');
    this.#session.picture(byId('eye'), at);
  }

  #hooks() {
    return {
      up: (link) => {
        this.#link = link;
        this.#message.clear('link');
        this.#record.open(link.id, () => this.#draw.choice(this.#track.labels));
        this.#render();
      },
      event: (event, picture) => this.#take(event, picture),
      fellBack: () => {
        this.#link = null;
        this.#render();
      },
      lost: () => {
        this.#link = null;
        this.#record.open(null, null);
        this.#message.error(t('camera.lost'), 'link');
        this.#render();
      },
      refused: (words, forGood) => {
        this.#link = null;
        if (forGood) this.stop();
        this.#message.error(words, 'link');
        this.#render();
      },
    };
  }

  #take(event, picture) {
    if (event.type === EVENT.status) {
      this.#stream = event;
      this.#record.update(event);
      this.#render();
    } else if (event.type === EVENT.error) {
      this.#message.error(said(String(event.detail ?? '')));
    } else if (picture && this.#session.paused) {
      picture.close(); // it came after the pause: what is shown stays
    } else if (picture) {
      this.#track.take(event, picture);
      this.#view.show(event.frame, picture);
      this.#meters.drew(picture.takenAt);
      if (!this.#planned) this.#later();
    }
  }

  // What changes with each frame is put on the page at most once per repaint.
  #later() {
    this.#planned = true;
    requestAnimationFrame(() => {
      this.#planned = false;
      this.#draw.update(this.#track, this.#view.frame);
      if (!byId('pill').hidden) this.#render();
    });
  }

  #redraw() {
    this.#view?.redraw();
    if (this.#view && !this.#planned) this.#later();
  }

  #mirror(mirror) {
    this.#draw.options.mirror = mirror;
    this.#controls.mirrored = mirror;
    this.#redraw();
  }

  // Unplugged, or taken back by the system.
  #gone() {
    this.stop();
    this.#message.error(t('camera.gone'), 'camera');
    this.#listCameras();
  }

  async #listCameras() {
    this.#controls.cameras = { all: await this.#camera.list().catch(() => []), current: this.#camera.current };
  }

  // Out of sight for a while: nothing is sent. In sight again: it goes on by itself.
  #look() {
    clearTimeout(this.#hiddenTimer);
    const hidden = document.hidden || !this.#shown;
    if (!hidden) this.#pictureAt = performance.now();
    if (!hidden && this.#out) this.resume();
    if (!hidden || this.#state !== 'on' || this.#session.paused) return;
    this.#hiddenTimer = setTimeout(() => {
      if (this.#state !== 'on' || this.#session.paused) return;
      this.#out = true;
      this.pause();
    }, HIDDEN);
  }

  #watch() {
    const still = performance.now() - this.#pictureAt;
    if (this.#state === 'on' && this.#shown && !document.hidden && still > STILL) this.#message.error(t('camera.still'), 'still');
  }

  #render() {
    this.#controls.render({
      state: this.#state,
      paused: this.#session.paused,
      out: this.#out,
      link: this.#link,
      jpeg: this.#session.fellBack,
      stream: this.#stream,
      blank: this.#view.frame < 0,
    });
  }
}
