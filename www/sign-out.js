// Puts the button for signing out into the page's header, where the server asks for a token.

import { getSession, signOut } from './api.js';
import { onLanguage, t } from './i18n.js';

const ICON = 'M10 4H6a1 1 0 0 0-1 1v14a1 1 0 0 0 1 1h4v-2H7V6h3zM15 7l-1.4 1.4 2.6 2.6H9v2h7.2l-2.6 2.6L15 17l5-5z';

function add() {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'icon sign-out';
  button.dataset.testid = 'sign-out';
  button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICON}"/></svg>`;
  const name = () => {
    button.title = t('signin.out');
    button.setAttribute('aria-label', t('signin.out'));
  };
  name();
  onLanguage(name);
  button.onclick = async () => {
    button.disabled = true;
    try {
      await signOut();
      location.assign('/signin');
    } catch {
      button.disabled = false;
    }
  };
  document.querySelector('header.top').append(button);
}

// Not awaited: a module that waits makes every page that imports it wait, with buttons that do nothing. Without an answer
// there is nothing to sign out of; the rest of the page says that the server is gone.
getSession().then(({ access }) => access === 'token' && add(), () => {});
