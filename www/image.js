// The page `/image`: makes the parts and connects them. What a part does stands in its own file.

import { listModels } from './api.js';
import { askPicture } from './ask-picture.js';
import { DrawOptions, leastThreshold } from './draw-options.js';
import { bytes, count, percent } from './format.js';
import './found.js';
import { toggleFull } from './full-screen.js';
import './gallery.js';
import { language, onLanguage, setLanguage, t, translate } from './i18n.js';
import { ImageSettings } from './image-settings.js';
import { ImageStage } from './image-stage.js';
import { inTurn } from './in-turn.js';
import './message.js';
import './picture-box.js';
import { Picture, Unreadable } from './picture-file.js';
import { TASK } from './protocol.js';
import { saveCsv, saveJpeg, saveJson } from './save-found.js';
import './sign-out.js';
import { passes } from './track.js';

const AT_ONCE = 2; // pictures under way: one is worked on while the next is on its way

const byId = (id) => document.getElementById(id);
const byTest = (name) => document.querySelector(`[data-testid=${name}]`);

translate(document);

let planned = false; // a repaint
let pictures = [];
let at = 0; // the one that is shown large
let running = null; // AbortController while pictures are sent
let reading = false;
let fitted = null; // the model whose threshold the slider was set to

const message = document.querySelector('sg-message');
const box = document.querySelector('sg-pictures');
const gallery = document.querySelector('sg-gallery');
const list = document.querySelector('sg-found');
const draw = new DrawOptions(byId('options'), () => later());
const stage = new ImageStage(draw.options);
const settings = new ImageSettings({ model: () => otherModel(), size: () => showWeights() });

const answerTo = (picture) => picture?.answers.get(settings.task);

/** The detections that are drawn; null where there are none to draw: no answer yet, or classes. */
function seenIn(picture) {
  const { threshold, hidden } = draw.options;
  const all = answerTo(picture)?.found?.detections;
  return all?.filter(({ score, class_id: id }) => passes(score, threshold) && !hidden.has(id)) ?? null;
}

// ---- pictures come

async function choose(files) {
  const hadFocus = box.contains(document.activeElement);
  message.clear();
  if (!settings.known) loadModels(); // the server was away when the page came
  const read = [];
  const failed = [];
  reading = true;
  render();
  for (const file of files) {
    if (files.length > 1) message.note(t('image.reading', { done: count(read.length), total: count(files.length) }), 'reading');
    try {
      read.push(await Picture.read(file));
    } catch (error) {
      failed.push(error instanceof Unreadable ? error : new Unreadable(file, 'none'));
    }
  }
  reading = false;
  message.clear('reading');
  if (failed.length) message.error(wordsFor(failed));
  if (read.length) open(read);
  else render();
  if (hadFocus) byId('send').focus();
}

function wordsFor(failed) {
  const names = (why) => failed.filter((error) => error.why === why).map((error) => error.message);
  const some = (all) => (all.length > 3 ? [...all.slice(0, 3), '…'] : all).join(', ');
  const [none, heic] = [names('none'), names('heic')];
  return [none.length && t('image.none', { names: some(none) }), heic.length && t('image.heic', { names: some(heic) })]
    .filter(Boolean)
    .join(' ');
}

function open(read) {
  pictures = read;
  byId('work').hidden = false;
  document.body.classList.add('working');
  gallery.open(pictures);
  stage.reset();
  show(0);
}

function show(index) {
  at = index;
  gallery.current = index;
  const { name } = pictures[at];
  byId('name').textContent = name;
  document.title = `${name} – Sightglass`;
  stage.open(index, pictures[at]).catch(() => message.error(t('image.gone', { name })));
  showWeights();
  render();
}

/** What will be sent instead of the file. */
async function showWeights() {
  const picture = pictures[at];
  if (!picture) return;
  const words = (size, { width, height }) => `${width} × ${height}, ${bytes(size)}`;
  byTest('bytes-before').textContent = words(picture.bytes, picture);
  const { longSide, quality } = settings.size;
  const sent = await picture.prepare(longSide, quality).catch(() => null);
  const same = settings.size.longSide === longSide && settings.size.quality === quality;
  if (sent && same && picture === pictures[at]) byTest('bytes-after').textContent = words(sent.body.size, sent);
}

// ---- pictures are sent

async function send() {
  if (running || reading || !pictures.length || !settings.model) return;
  const hadFocus = document.activeElement === byId('send');
  const { size, task } = settings;
  const query = settings.query(draw.options);
  const key = JSON.stringify([query, size]);
  const due = unanswered(key);
  const stop = (running = new AbortController());
  let done = 0;
  message.clear();
  progress(done, due.length);
  render();
  await inTurn(due, AT_ONCE, async (picture) => {
    if (stop.signal.aborted) return;
    const answer = await askPicture(picture, query, size, stop.signal);
    if (stop.signal.aborted) return;
    picture.answers.set(task, { key, ...answer });
    progress((done += 1), due.length);
    later();
  });
  running = null;
  if (!stop.signal.aborted) told(due.map((picture) => picture.answers.get(task).error).filter(Boolean), due.length);
  render();
  if (hadFocus && document.activeElement === document.body) byId('send').focus();
}

/** Those that these settings were not tried with, or that failed; all of them where there is none. */
function unanswered(key) {
  const open = pictures.filter((picture) => {
    const answer = answerTo(picture);
    return answer?.key !== key || answer.error;
  });
  return open.length ? open : pictures;
}

function told(errors, total) {
  if (!errors.length) return;
  const some = { failed: count(errors.length), total: count(total), words: errors[0] };
  message.error(total === 1 ? errors[0] : t('image.failed', some));
}

function progress(done, total) {
  byTest('send-progress').value = done / total;
  byTest('sent').textContent = `${count(done)} / ${count(total)}`;
}

// ---- what is shown

function later() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(() => {
    planned = false;
    render();
  });
}

function render() {
  const busy = Boolean(running) || reading;
  const detect = settings.task === TASK.detect;
  box.busy = busy;
  settings.locked = busy;
  byId('progress').hidden = !running;
  byId('send').disabled = busy || !pictures.length || !settings.model;
  byId('send').textContent = t(`image.send.${settings.task}${pictures.length > 1 ? '.many' : ''}`, { n: count(pictures.length) });
  byId('options').hidden = !detect;
  if (!pictures.length) return;
  const answer = answerTo(pictures[at]);
  const seen = seenIn(pictures[at]);
  stage.show(answer?.found ?? null);
  draw.update(stage.track, at);
  list.show(answer, seen);
  byId('summary').textContent = inShort(answer, seen);
  pictures.forEach((picture, index) => gallery.update(index, picture, answerTo(picture), seenIn(picture)));
  gallery.title = t('image.gallery.of', { n: count(pictures.length) });
  const some = pictures.some((picture) => answerTo(picture)?.found);
  byTest('save-json').disabled = byTest('save-csv').disabled = !some;
  // Without the server's drawing there is nothing on the picture that says what it is.
  byTest('save-jpeg').hidden = !detect && !answer?.found?.drawn;
  byTest('save-jpeg').disabled = !answer?.found;
}

function inShort(answer, seen) {
  if (seen) return t('image.found', { n: count(seen.length) });
  const best = answer?.found?.classes?.[0];
  return best ? t('image.class', { label: best.label, percent: percent(best.score) }) : '';
}

/** The slider begins at the model's own threshold. */
function fitThreshold() {
  const { model, task } = settings;
  if (!model || task !== TASK.detect || model.name === fitted) return;
  fitted = model.name;
  draw.open(model, leastThreshold(model));
}

/** What another model has said is not to be taken for the words of this one. */
function otherModel() {
  for (const picture of pictures) picture.answers.delete(settings.task);
  fitThreshold();
  stage.reset();
  if (pictures.length) show(at);
}

// ---- tasks

const TASKS = [TASK.detect, TASK.classify];

function openTask(task) {
  for (const name of TASKS) {
    const tab = byId(`task-${name}`);
    tab.setAttribute('aria-selected', String(name === task));
    tab.tabIndex = name === task ? 0 : -1;
  }
  byId('panel').setAttribute('aria-labelledby', `task-${task}`);
  settings.open(task);
  fitThreshold();
  const url = new URL(location.href);
  if (task === TASK.classify) url.searchParams.set('task', task);
  else url.searchParams.delete('task');
  history.replaceState(null, '', url);
  render();
}

for (const name of TASKS) {
  byId(`task-${name}`).onclick = () => openTask(name);
  byId(`task-${name}`).onkeydown = ({ key }) => {
    if (key !== 'ArrowLeft' && key !== 'ArrowRight') return;
    const other = byId(`task-${TASKS[1 - TASKS.indexOf(name)]}`);
    other.click();
    other.focus();
  };
}

// ---- the other parts

box.addEventListener('chosen', ({ detail }) => choose(detail));
box.addEventListener('choosing-failed', ({ detail }) => message.error(detail));
gallery.addEventListener('open-picture', ({ detail }) => show(detail));
byId('send').onclick = send;
byTest('stop').onclick = () => running?.abort();
byId('served').onerror = () => message.error(t('image.served.gone'));
byId('full').onclick = () => toggleFull(byId('stage'));

const answered = () => {
  const all = pictures.map((picture) => ({ picture, answer: answerTo(picture), seen: seenIn(picture) }));
  return all.filter(({ answer }) => answer);
};
byTest('save-json').onclick = () => saveJson(answered());
byTest('save-csv').onclick = () => saveCsv(answered());
byTest('save-jpeg').onclick = async () => {
  const picture = pictures[at];
  try {
    await saveJpeg({ picture, answer: answerTo(picture), seen: seenIn(picture) }, draw.options);
  } catch (error) {
    message.error(error.status === undefined ? t('image.unsaved') : error.message);
  }
};

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  if (event.target.closest?.('input, select, textarea, [role=tab], sg-gallery, .scroll')) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step && pictures[at + step]) show(at + step);
  else if (event.key === 'f' && pictures.length) toggleFull(byId('stage'));
});

const chooser = byId('language');
chooser.value = language();
chooser.onchange = () => setLanguage(chooser.value);
onLanguage(() => {
  showWeights();
  render();
});
addEventListener('unhandledrejection', ({ reason }) => message.error(t('error.page', { words: String(reason?.message ?? reason) })));

async function loadModels() {
  try {
    settings.models = await listModels();
    fitThreshold();
  } catch (error) {
    message.error(error.message);
  }
  render();
}

openTask(new URLSearchParams(location.search).get('task') === TASK.classify ? TASK.classify : TASK.detect);
loadModels();
