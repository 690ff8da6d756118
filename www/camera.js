// The page `/camera`: makes its two parts, this device's camera and the network cameras, and switches between them.

import { listModels } from './api.js';
import { language, setLanguage, t, translate } from './i18n.js';
import './message.js';
import './network-wall.js';
import { OwnCamera } from './own-camera.js';
import './record-live.js';
import './sign-out.js';

const byId = (id) => document.getElementById(id);

translate(document);

const message = document.querySelector('sg-message');
const wall = document.querySelector('sg-wall');
const camera = new OwnCamera(message);

// ---- tabs

const TABS = ['camera', 'network'];

function show(tab) {
  for (const name of TABS) {
    const head = byId(`tab-${name}`);
    head.setAttribute('aria-selected', String(name === tab));
    head.tabIndex = name === tab ? 0 : -1;
    byId(name).hidden = name !== tab;
  }
  // A camera that nobody sees sends nothing.
  camera.seen = tab === 'camera';
  wall.seen = tab === 'network';
  const url = new URL(location.href);
  if (tab === 'network') url.searchParams.set('tab', tab);
  else url.searchParams.delete('tab');
  history.replaceState(null, '', url);
}

for (const name of TABS) {
  byId(`tab-${name}`).onclick = () => {
    message.clear();
    show(name);
  };
  byId(`tab-${name}`).onkeydown = ({ key }) => {
    if (key !== 'ArrowLeft' && key !== 'ArrowRight') return;
    const other = byId(`tab-${TABS[1 - TABS.indexOf(name)]}`);
    other.click();
    other.focus();
  };
}

// ---- language and models

const chooser = byId('language');
chooser.value = language();
chooser.onchange = () => setLanguage(chooser.value);

wall.addEventListener('wall-failed', ({ detail }) => message.error(detail, 'wall'));
wall.addEventListener('wall-answered', () => message.clear('wall'));
wall.addEventListener('act-failed', ({ detail }) => message.error(detail, 'act'));
wall.addEventListener('acted', () => message.clear());
document.addEventListener('record-failed', ({ detail }) => message.error(detail));
document.addEventListener('record-noted', ({ detail }) => message.note(detail));
const unforeseen = (words) => message.error(t('error.page', { words }));
addEventListener('unhandledrejection', ({ reason }) => unforeseen(String(reason?.message ?? reason)));

async function start() {
  show(new URLSearchParams(location.search).get('tab') === 'network' ? 'network' : 'camera');
  try {
    const models = (await listModels()).filter(({ task }) => task === 'detect');
    camera.models = models;
    wall.models = models;
  } catch (error) {
    message.error(error.message);
  }
}

start();
