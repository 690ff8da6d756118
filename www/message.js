// <sg-message>: the one place where the page says that something went wrong. It sticks to the top of what is in sight.

import { onLanguage, t } from './i18n.js';

class Message extends HTMLElement {
  #about = null;
  #words = document.createElement('p');
  #close = document.createElement('button');

  connectedCallback() {
    this.#close.type = 'button';
    this.#close.className = 'icon';
    this.#close.textContent = '×';
    this.#close.onclick = () => this.clear();
    const name = () => this.#close.setAttribute('aria-label', t('close'));
    name();
    onLanguage(name);
    this.append(this.#words, this.#close);
  }

  /** `about` names the trouble, so that `clear(about)` takes away this message and no other. */
  error(words, about = null) {
    this.#show('alert', words, about);
  }

  note(words, about = null) {
    this.#show('status', words, about);
  }

  clear(about = this.#about) {
    if (about !== this.#about) return;
    this.hidden = true;
    this.removeAttribute('role');
    this.#words.textContent = '';
    this.#about = null;
  }

  #show(role, words, about) {
    this.#about = about;
    this.setAttribute('role', role);
    this.hidden = false;
    this.#words.textContent = words;
  }
}

customElements.define('sg-message', Message);
