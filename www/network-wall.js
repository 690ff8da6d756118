// <sg-wall>: network cameras as a wall of tiles, and the form that adds one. The server is asked again every few seconds.

import { addStream, listStreams } from './api.js';
import { leastThreshold } from './draw-options.js';
import { onLanguage, t } from './i18n.js';
import { NetworkLarge } from './network-large.js';
import { NetworkTile } from './network-tile.js';
import { KIND } from './protocol.js';

const POLL = 2000;
const PAGE = 200;

class NetworkWall extends HTMLElement {
  #form = this.querySelector('form');
  #list = this.querySelector('.wall');
  #none = this.querySelector('.none');
  #models = [];
  #streams = [];
  #tiles = new Map(); // id → tile
  #large = new NetworkLarge();
  #sight = null;
  #seen = false;
  #timer = 0;
  #turn = 0;

  connectedCallback() {
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      this.#add();
    };
    this.#sight = new IntersectionObserver((all) => {
      for (const { target, isIntersecting } of all) {
        const tile = this.#tiles.get(target.dataset.id);
        if (tile) tile.near = isIntersecting;
      }
      this.#watch();
    });
    document.addEventListener('visibilitychange', () => {
      this.#watch();
      this.#refresh();
    });
    onLanguage(() => this.#render());
  }

  set models(models) {
    this.#models = models;
    const { model } = this.#form.elements;
    model.replaceChildren(...models.map(({ name, default: usual }) => new Option(name, name, usual, usual)));
    model.closest('label').hidden = models.length < 2;
  }

  /** Whether its tab is shown: only then is anything asked for. */
  set seen(seen) {
    this.#seen = seen;
    this.#watch();
    this.#refresh();
  }

  async #refresh() {
    clearTimeout(this.#timer);
    const turn = (this.#turn += 1);
    if (!this.#seen || document.hidden) return;
    try {
      const all = await everyStream();
      if (turn !== this.#turn) return;
      this.#streams = all.filter(({ kind }) => kind === KIND.network);
      this.#render();
      this.#tell('wall-answered');
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#tell('wall-failed', error.message);
    }
    this.#timer = setTimeout(() => this.#refresh(), POLL);
  }

  async #add() {
    const { url, name, model } = this.#form.elements;
    const button = this.#form.querySelector('[type=submit]');
    if (!url.value.trim()) {
      this.#tell('act-failed', t('network.url.missing'));
      url.focus();
      return;
    }
    button.disabled = true;
    try {
      const chosen = this.#model(model.value);
      const wish = { url: withScheme(url.value.trim()), threshold: leastThreshold(chosen) };
      if (name.value.trim()) wish.name = name.value.trim();
      if (chosen) wish.model = chosen.name;
      await addStream(wish);
      this.#form.reset();
      this.#tell('acted');
      await this.#refresh();
    } catch (error) {
      this.#tell('act-failed', error.message);
    } finally {
      button.disabled = false;
    }
  }

  #model(name) {
    return this.#models.find((model) => model.name === name) ?? this.#models.find((model) => model.default);
  }

  #render() {
    const known = new Set(this.#streams.map(({ id }) => id));
    for (const [id, tile] of this.#tiles) {
      if (known.has(id)) continue;
      this.#sight.unobserve(tile.element);
      tile.close();
      this.#tiles.delete(id);
    }
    let place = this.#list.firstElementChild;
    for (const stream of this.#streams) {
      const tile = this.#tiles.get(stream.id);
      if (tile && tile.element === place) place = place.nextElementSibling;
      else if (tile) this.#list.insertBefore(tile.element, place);
      else this.#place(stream, place);
      tile?.update(stream);
    }
    this.#none.hidden = this.#streams.length > 0;
    this.#large.update(this.#streams);
  }

  #place(stream, before) {
    const tile = new NetworkTile(stream, this.#model(stream.model), {
      open: (now) => this.#large.open(now, this.#model(now.model)),
      changed: () => this.#refresh(),
      failed: (words) => this.#tell('act-failed', words),
    });
    this.#tiles.set(stream.id, tile);
    this.#list.insertBefore(tile.element, before);
    tile.placed();
    this.#sight.observe(tile.element);
  }

  #watch() {
    const seen = this.#seen && !document.hidden;
    for (const tile of this.#tiles.values()) tile.watched = seen && tile.near;
    this.#large.watch();
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

// What is typed as 192.168.1.20/stream1 or camera:554/x is nearly always meant as RTSP.
const withScheme = (address) => (/^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `rtsp://${address.replace(/^\/+/, '')}`);

async function everyStream() {
  const all = [];
  let cursor;
  do {
    const { items, next_cursor: next } = await listStreams({ limit: PAGE, cursor });
    all.push(...items);
    cursor = next;
  } while (cursor);
  return all;
}

customElements.define('sg-wall', NetworkWall);
