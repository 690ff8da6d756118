// The page `/`: makes the parts and connects them. What a part does stands in its own file.

import { cancelVideo, getVideo, listModels, retryVideo } from './api.js';
import './class-filter.js';
import { Controls } from './controls.js';
import { Feed } from './feed.js';
import { KIND } from './file-kind.js';
import { provenMethod } from './frame-proof.js';
import { language, setLanguage, t, translate } from './i18n.js';
import './message.js';
import { Meters } from './meters.js';
import { Player } from './player.js';
import { STATE, isActive } from './protocol.js';
import { said } from './said.js';
import './save-video.js';
import './sign-out.js';
import { Track } from './track.js';
import './upload-box.js';
import './video-list.js';
import { View } from './view.js';

const byId = (id) => document.getElementById(id);
const part = (name) => document.querySelector(name);

const FALLBACK_THRESHOLD = 0.25;

translate(document);

const message = part('sg-message');
const uploads = part('sg-upload');
const list = part('sg-videos');
const filter = part('sg-classes');
const save = part('sg-save');
const options = { threshold: FALLBACK_THRESHOLD, labels: true, scores: true, hidden: new Set() };
const view = new View(byId('view'), options);
const meters = new Meters();
const player = new Player(byId('decoder'), view, {
  change: () => later(),
  failed: (words) => message.error(said(words)),
  silent: (silent) => (silent ? message.error(t('error.silent'), 'silent') : message.clear('silent')),
});
const controls = new Controls(player, view);

let models = [];
let open = null; // { id, video (null until the server has told of it), track, feed }

// ---- the open video

/** `given`: the video, where it is known; `file`: the very file, where this page has it. `replace`: no new entry of the history. */
async function openVideo(id, { video: given = null, file = null, replace = false } = {}) {
  leaveVideo();
  const turn = (open = { id, video: given, track: new Track(), feed: null });
  address(id, replace);
  if (!given) {
    try {
      turn.video = await getVideo(id);
    } catch (error) {
      if (open !== turn) return;
      closeVideo();
      message.error(error.status === 404 ? t('video.gone') : error.message);
      return;
    }
    if (open !== turn) return;
  }
  const { video, track } = turn;
  byId('work').hidden = false;
  document.body.classList.add('working');
  view.reset(track, video);
  filter.reset(options.hidden);
  setThreshold(video);
  save.open(video, choice);
  list.current = id;
  uploads.opened(id);
  player.open(video, track, file);
  controls.open(video, track);
  take(video);
  listen(turn);
}

/** The video is gone, and so is the address at which it was. */
function closeVideo() {
  leaveVideo();
  address(null, true);
}

function leaveVideo() {
  if (!open) return;
  open.feed?.close();
  open = null;
  player.close();
  message.clear('lost');
  message.clear('silent');
  message.clear('failed');
  byId('work').hidden = true;
  document.body.classList.remove('working');
  document.title = 'Sightglass';
  list.current = null;
  save.close();
}

function listen(turn) {
  const { track } = turn;
  const mine = (act) => (...all) => open === turn && act(...all);
  turn.feed?.close();
  turn.feed = new Feed(turn.video.id, track, {
    frames: () => {
      player.grew();
      later();
    },
    status: mine(take),
    recording: () => {},
    // Why a video failed is in its state too, and said from there.
    error: mine((words) => words === turn.video.error || message.error(said(words))),
    end: mine(() => finish(turn)),
    lost: mine(() => lost(turn)),
    back: mine(() => message.clear('lost')),
  });
}

/** The video's newest state, wherever it came from. */
function take(video) {
  open.video = video;
  meters.update(video);
  controls.video = video;
  save.update(video);
  list.update(video);
  document.title = `${video.name || video.id} – Sightglass`;
  if (video.state === STATE.failed) message.error(t('failed', { words: said(video.error ?? '') }), 'failed');
  player.pace(video.detect_fps, frameRate(video.frame_rate));
}

// Every frame event that there will be has come. The state may have come before the last of them, so it is asked for.
async function finish(turn) {
  turn.track.complete = true;
  player.grew();
  later();
  try {
    const video = await getVideo(turn.video.id);
    if (open !== turn) return;
    take(video);
    // Taken up again in the meantime, by another page or a restart of the server.
    if (isActive(video.state)) setTimeout(() => open === turn && again(turn), 1000);
  } catch (error) {
    if (open === turn && error.status === 404) message.error(t('video.gone'));
  }
}

// The socket broke: the network, the server, or someone has deleted the video. The feed comes back by itself.
async function lost(turn) {
  message.error(t('error.lost'), 'lost');
  const gone = await getVideo(turn.video.id).then(() => false, (error) => error.status === 404);
  if (!gone || open !== turn) return;
  closeVideo();
  message.error(t('video.gone'));
}

function again(turn) {
  turn.track.complete = false;
  listen(turn);
}

const frameRate = (words) => {
  const [over, under = 1] = String(words ?? '').split('/').map(Number);
  return over / under || 0;
};

// ---- what is drawn

function choice() {
  const { threshold, labels, scores, hidden } = options;
  const classes = hidden.size ? [...open.track.labels.keys()].filter((id) => !hidden.has(id)) : null;
  return { threshold, labels, scores, classes };
}

function setThreshold(video) {
  const slider = byId('threshold');
  const usual = models.find(({ name }) => name === video.model)?.threshold ?? FALLBACK_THRESHOLD;
  slider.min = String(video.threshold ?? 0); // below it the server has kept nothing
  slider.value = String(Math.max(usual, video.threshold ?? 0));
  drawAnew();
}

function drawAnew() {
  options.threshold = Number(byId('threshold').value);
  options.labels = byId('labels').checked;
  options.scores = byId('scores').checked;
  byId('threshold-value').textContent = options.threshold.toFixed(2);
  view.redraw();
  later();
}

byId('threshold').oninput = drawAnew;
byId('labels').onchange = drawAnew;
byId('scores').onchange = drawAnew;
filter.addEventListener('change', drawAnew);

// Everything that changes with each frame is put on the page at most once per repaint.
let planned = false;
function later() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(() => {
    planned = false;
    if (!open?.video) return;
    controls.update();
    meters.progress(open.track.length);
    filter.update(open.track, view.frame, options.threshold);
  });
}

// ---- the other parts

uploads.addEventListener('upload-started', () => message.clear());
uploads.addEventListener('upload-cancelled', ({ detail }) => message.note(detail));
uploads.addEventListener('upload-failed', ({ detail }) => message.error(detail));
uploads.addEventListener('uploaded', ({ detail: item }) => {
  // What is being watched stays. The sample was asked for to be seen, a moment ago.
  if (!open || (item.direct && !item.interrupted)) openVideo(item.video.id, item);
  else list.refresh();
});
uploads.addEventListener('open-upload', ({ detail: item }) => {
  message.clear();
  openVideo(item.video.id, item);
});

save.addEventListener('save-started', () => message.clear());
save.addEventListener('save-failed', ({ detail }) => message.error(detail));

list.addEventListener('open-video', ({ detail: id }) => {
  message.clear();
  openVideo(id);
  scrollTo({ top: 0, behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
});
list.addEventListener('deleted-video', ({ detail: id }) => {
  uploads.forget(id);
  if (open?.id === id) closeVideo();
});
list.addEventListener('retried-video', ({ detail: id }) => open?.video && open.id === id && again(open));
list.addEventListener('act-failed', ({ detail }) => message.error(detail.message));
list.addEventListener('list-failed', ({ detail }) => message.error(detail.message, 'list'));
list.addEventListener('list-answered', () => message.clear('list'));

byId('stop').onclick = () => change(cancelVideo);
byId('retry').onclick = () =>
  change(async (id) => {
    const video = await retryVideo(id);
    message.clear('failed');
    if (open?.id === id) again(open);
    return video;
  });

async function change(call) {
  const turn = open;
  if (!turn?.video) return; // closed in the meantime, or not here yet
  try {
    const video = await call(turn.id);
    if (open === turn) take(video);
  } catch (error) {
    message.error(error.message);
  }
}

const chooser = byId('language');
chooser.value = language();
chooser.onchange = () => setLanguage(chooser.value);

// The address names the open video: a link or a reload comes back to it, and Back to what was there before.
function address(id, replace) {
  const url = new URL(location.href);
  if (url.searchParams.get('video') === id) return;
  if (id) url.searchParams.set('video', id);
  else url.searchParams.delete('video');
  history[replace ? 'replaceState' : 'pushState'](null, '', url);
}

// To the start without leaving the page, so that uploads go on.
for (const link of document.querySelectorAll('header a[href="/"]')) {
  link.addEventListener('click', (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return; // for a tab of its own
    event.preventDefault();
    message.clear();
    leaveVideo();
    address(null, false);
    list.refresh();
    scrollTo(0, 0);
  });
}

addEventListener('popstate', () => {
  const wanted = new URLSearchParams(location.search).get('video');
  if (wanted === (open?.id ?? null)) return;
  message.clear();
  if (wanted) openVideo(wanted, { replace: true });
  else leaveVideo();
});

async function start() {
  const wanted = new URLSearchParams(location.search).get('video');
  document.body.classList.toggle('working', Boolean(wanted)); // no welcome that is gone a moment later
  list.refresh();
  provenMethod(KIND.mp4); // what most videos will need
  try {
    models = (await listModels()).filter(({ task }) => task === 'detect');
    uploads.models = models;
    meters.models = models;
  } catch (error) {
    message.error(error.message);
  }
  if (wanted && !open) openVideo(wanted);
}

start();
