// <sg-videos>: earlier videos, newest first, with what can be done with each. It asks the server again now and then, more
// often while something runs.

import { cancelVideo, deleteVideo, listVideos, retryVideo } from './api.js';
import { bytes, clock, count, moment } from './format.js';
import { onLanguage, t } from './i18n.js';
import { STATE, isActive } from './protocol.js';

const PAGE = 20;
const SOON = 2000;
const LATER = 15000;

class VideoList extends HTMLElement {
  #list = this.querySelector('ul');
  #none = this.querySelector('.none');
  #more = this.querySelector('.more');
  #videos = new Map(); // id → video, newest first
  #rows = new Map(); // id → row
  #cursor = null;
  #current = null;
  #timer = 0;
  #turn = 0;

  connectedCallback() {
    this.#more.onclick = () => this.#act(() => this.#load(this.#cursor));
    onLanguage(() => {
      this.#rows.clear();
      this.#list.replaceChildren();
      this.#render();
    });
    document.addEventListener('visibilitychange', () => document.hidden || this.refresh());
  }

  /** The newest page again; what further pages brought stays. */
  async refresh() {
    clearTimeout(this.#timer);
    const turn = (this.#turn += 1);
    try {
      await this.#load(null, turn);
      this.#tell('list-answered');
    } catch (error) {
      if (turn === this.#turn) this.#tell('list-failed', error);
    }
    if (turn !== this.#turn || document.hidden) return;
    const active = [...this.#videos.values()].some(({ state }) => isActive(state));
    this.#timer = setTimeout(() => this.refresh(), active ? SOON : LATER);
  }

  /** The open video's newest state, which the page learns before the list does. */
  update(video) {
    if (!this.#videos.has(video.id)) {
      this.refresh();
      return;
    }
    this.#videos.set(video.id, video);
    this.#render();
  }

  set current(id) {
    this.#current = id;
    this.#render();
  }

  async #load(cursor, turn) {
    const { items, next_cursor: next } = await listVideos({ limit: PAGE, cursor });
    if (turn !== undefined && turn !== this.#turn) return;
    const old = [...this.#videos.values()];
    if (cursor) {
      this.#videos = new Map([...old, ...items].map((video) => [video.id, video]));
      this.#cursor = next;
    } else {
      // Whatever is not older than this page's last and not on it has been deleted elsewhere.
      const last = items.at(-1);
      const fresh = new Set(items.map(({ id }) => id));
      const older = next ? old.filter(({ id, created_at: at }) => !fresh.has(id) && at < last.created_at) : [];
      this.#videos = new Map([...items, ...older].map((video) => [video.id, video]));
      if (!older.length) this.#cursor = next;
    }
    this.#render();
  }

  #render() {
    for (const [id, row] of this.#rows) {
      if (this.#videos.has(id)) continue;
      row.element.remove();
      this.#rows.delete(id);
    }
    let place = this.#list.firstElementChild;
    for (const video of this.#videos.values()) {
      let row = this.#rows.get(video.id);
      if (!row) this.#rows.set(video.id, (row = this.#row(video.id)));
      if (row.element === place) place = place.nextElementSibling;
      else this.#list.insertBefore(row.element, place);
      this.#fill(row, video);
    }
    this.#none.hidden = this.#videos.size > 0 || this.#turn === 0;
    this.#more.hidden = !this.#cursor;
  }

  #row(id) {
    const element = document.createElement('li');
    element.dataset.id = id;
    const open = this.#button('open', () => this.#tell('open-video', id));
    const state = document.createElement('span');
    state.className = 'badge';
    const facts = document.createElement('span');
    facts.className = 'quiet facts';
    const bar = document.createElement('progress');
    const acts = document.createElement('span');
    acts.className = 'acts';
    const stop = this.#button('quietly', () => this.#act(() => cancelVideo(id)), t('stop.short'));
    const retry = this.#button('quietly', () => this.#act(() => retryVideo(id), () => this.#tell('retried-video', id)), t('retry'));
    const remove = this.#button('quietly danger', () => this.#ask(id), t('video.delete'));
    remove.dataset.testid = 'delete';
    acts.append(stop, retry, remove);
    element.append(open, state, facts, bar, acts);
    return { element, open, state, facts, bar, acts, stop, retry, remove };
  }

  #fill(row, video) {
    const name = video.name || video.id;
    if (video.id === this.#current) row.element.setAttribute('aria-current', 'true');
    else row.element.removeAttribute('aria-current');
    row.open.textContent = name;
    row.open.setAttribute('aria-label', t('video.open', { name }));
    row.state.textContent = t(`state.${video.state}`);
    row.state.dataset.state = video.state;
    row.facts.textContent = facts(video);
    row.bar.hidden = !isActive(video.state);
    row.bar.max = video.frames_total || 1;
    row.bar.value = Math.min(video.frames_done, row.bar.max);
    row.bar.setAttribute('aria-label', t('done.progress'));
    row.stop.hidden = !isActive(video.state);
    row.stop.setAttribute('aria-label', t('video.stop.of', { name }));
    row.retry.hidden = video.state !== STATE.failed && video.state !== STATE.cancelled;
    row.retry.setAttribute('aria-label', t('video.retry.of', { name }));
    row.remove.setAttribute('aria-label', t('video.delete.of', { name }));
  }

  // Deleting cannot be taken back, so it is asked for twice, in place.
  #ask(id) {
    const row = this.#rows.get(id);
    if (row.sure) return;
    row.sure = document.createElement('span');
    row.sure.className = 'sure';
    row.sure.setAttribute('role', 'group');
    const words = document.createElement('span');
    words.textContent = t('video.delete.sure');
    const done = () => {
      row.sure.remove();
      row.sure = null;
      row.acts.hidden = false;
    };
    const yes = this.#button('danger', () => this.#act(() => this.#delete(id), null, done), t('video.delete'));
    yes.dataset.testid = 'delete-sure';
    const no = this.#button('', () => (done(), row.remove.focus()), t('video.keep'));
    row.sure.onkeydown = ({ key }) => key === 'Escape' && no.click();
    row.sure.append(words, yes, no);
    row.acts.hidden = true;
    row.element.append(row.sure);
    yes.focus();
  }

  async #delete(id) {
    try {
      await deleteVideo(id);
    } catch (error) {
      if (error.status !== 404) throw error; // gone is gone
    }
    this.#videos.delete(id);
    this.#render();
    this.#tell('deleted-video', id);
  }

  async #act(work, then, failed) {
    try {
      await work();
      then?.();
      await this.refresh();
    } catch (error) {
      failed?.();
      this.#tell('act-failed', error);
    }
  }

  #button(kind, act, words = '') {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = kind;
    button.textContent = words;
    button.onclick = act;
    return button;
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function facts(video) {
  const { frames_done: done, frames_total: total } = video;
  const key = total && total !== done ? 'videos.frames.of' : 'videos.frames';
  const all = [t(key, { done: count(done ?? 0), total: count(total ?? 0) })];
  if (video.duration) all.push(`${video.duration_estimated ? '≈ ' : ''}${clock(video.duration)}`);
  if (video.bytes) all.push(bytes(video.bytes));
  all.push(moment(video.created_at));
  return all.join(' · ');
}

customElements.define('sg-videos', VideoList);
