// The page's language: `?lang=` first, then what was chosen here before, then what the browser prefers.
// Elements carry their key: data-t (text), data-t-label (aria-label), data-t-title (title), data-t-placeholder.

import en from './words-en.js';
import zh from './words-zh.js';

const WORDS = { en, zh };
const HTML_LANG = { en: 'en', zh: 'zh-Hans' };
const REMEMBERED = 'sightglass.language';

let current = first();

export const language = () => current;

export function t(key, values = {}) {
  const words = WORDS[current][key] ?? en[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

/** Tells `listener` of every change of the language, until `signal` ends it. */
export const onLanguage = (listener, signal) => document.addEventListener('sg-language', listener, { signal });

export function setLanguage(lang) {
  if (!(lang in WORDS)) return;
  current = lang;
  remember(lang);
  const url = new URL(location.href);
  if (url.searchParams.has('lang')) {
    url.searchParams.set('lang', lang);
    history.replaceState(null, '', url);
  }
  translate(document);
  document.dispatchEvent(new Event('sg-language'));
}

/** Puts the words into every element below `root` that carries a key. */
export function translate(root) {
  if (root === document) document.documentElement.lang = HTML_LANG[current];
  for (const element of root.querySelectorAll('[data-t]')) element.textContent = t(element.dataset.t);
  for (const element of root.querySelectorAll('[data-t-label]')) element.setAttribute('aria-label', t(element.dataset.tLabel));
  for (const element of root.querySelectorAll('[data-t-title]')) element.title = t(element.dataset.tTitle);
  for (const element of root.querySelectorAll('[data-t-placeholder]')) element.placeholder = t(element.dataset.tPlaceholder);
}

function first() {
  const asked = new URLSearchParams(location.search).get('lang');
  const wishes = [asked, remembered(), ...(navigator.languages ?? [navigator.language])];
  for (const wish of wishes) {
    const lang = wish?.toLowerCase().split('-')[0];
    if (lang in WORDS) return lang;
  }
  return 'en';
}

// Storage is refused to pages in some private modes; the language is then simply not remembered.
function remembered() {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null;
  }
}

function remember(lang) {
  try {
    localStorage.setItem(REMEMBERED, lang);
  } catch {
    // see above
  }
}
