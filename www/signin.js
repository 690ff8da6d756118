// The page `/signin`: takes the token, from the field or from the address, and leads to the page that was wanted.
// It imports only what the server gives away without a token (src/web/access/mod.rs).

import { language, onLanguage, setLanguage, t, translate } from './i18n.js';
import { said } from './said.js';

const SESSION = '/api/session';
const byId = (id) => document.getElementById(id);
const [form, field, words, go] = ['form', 'token', 'words', 'go'].map(byId);

/** The page that was wanted, if it is one of this server; the start page if not. */
function wanted() {
  const next = new URLSearchParams(location.search).get('next') ?? '/';
  try {
    const url = new URL(next, location.origin);
    const own = next.startsWith('/') && url.origin === location.origin && url.pathname !== '/signin';
    return own ? url.pathname + url.search + url.hash : '/';
  } catch {
    return '/';
  }
}

/** `#token=…` of a link that signs in at one click. It is taken out of the address at once: nobody reads it there. */
function linked() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, '', location.pathname + location.search);
  try {
    return decodeURIComponent(found[1]);
  } catch {
    return found[1];
  }
}

// Kept as a function of the language, which may change while it is shown.
let message = null;
function show(say) {
  message = say;
  words.hidden = !say;
  words.textContent = say?.() ?? '';
  if (say) words.setAttribute('role', 'alert');
  else words.removeAttribute('role');
  field.setAttribute('aria-invalid', String(Boolean(say)));
}
onLanguage(() => show(message));

async function signIn(token) {
  go.disabled = true;
  show(null);
  try {
    const answer = await fetch(SESSION, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    });
    if (answer.ok) return location.replace(wanted());
    const { detail } = await answer.json().catch(() => ({}));
    show(() => (detail ? said(detail) : t('error.status', { status: answer.status })));
  } catch {
    show(() => t('error.network'));
  }
  go.disabled = false;
  field.focus();
  field.select();
}

form.onsubmit = (event) => {
  event.preventDefault();
  signIn(field.value.trim());
};

translate(document);
const chooser = byId('language');
chooser.value = language();
chooser.onchange = () => setLanguage(chooser.value);

const token = linked();
const session = token ? null : await fetch(SESSION).then((answer) => answer.json()).catch(() => null);
if (token) signIn(token);
else if (session?.signed_in) location.replace(wanted());
else field.focus();
// A link that is opened while this page is open changes only the fragment.
addEventListener('hashchange', () => {
  const other = linked();
  if (other) signIn(other);
});
