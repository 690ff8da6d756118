// <sg-pictures>: the ways in which pictures come to the page: chosen, dropped, pasted, photographed, or the sample.
// Each is told by the event `chosen`, with the files.

import { fetchSamplePicture } from './api.js';
import { takeDrops } from './drops.js';
import { t } from './i18n.js';
import { PhotoDialog } from './photo-dialog.js';

class PictureBox extends HTMLElement {
  #busy = false;
  #input = this.querySelector('input[type=file]');
  #photo = new PhotoDialog((file) => this.#take([file]));

  connectedCallback() {
    const button = (name) => this.querySelector(`[data-testid=${name}]`);
    button('choose').onclick = () => this.#browse(false);
    button('photo').onclick = () => {
      if (matchMedia('(pointer: coarse)').matches && 'capture' in this.#input) this.#browse(true);
      else this.#photo.open().catch((error) => this.#fail(error.message));
    };
    button('sample').onclick = () => this.#sample();
    this.#input.onchange = () => {
      const files = [...this.#input.files];
      this.#input.value = ''; // so that the same file can be chosen again
      this.#take(files);
    };
    takeDrops({
      over: (inside) => this.classList.toggle('over', inside),
      busy: () => this.#busy,
      files: (files) => (files.length ? this.#take(files) : this.#fail(t('image.folder'))),
    });
    addEventListener('paste', (event) => {
      if (event.target instanceof Element && event.target.matches('input[type=text], textarea')) return;
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length) this.#take(files);
      else this.#fail(t('image.clipboard'));
    });
  }

  /** While pictures are read or sent no others are taken. */
  set busy(busy) {
    this.#busy = busy;
    for (const control of this.querySelectorAll('button, input')) control.disabled = busy;
  }

  /** Files, or a photograph by the phone's own camera program. */
  #browse(photo) {
    this.#input.toggleAttribute('multiple', !photo);
    if (photo) this.#input.setAttribute('capture', 'environment');
    else this.#input.removeAttribute('capture');
    this.#input.click();
  }

  async #sample() {
    try {
      this.#take([await fetchSamplePicture()]);
    } catch (error) {
      this.#fail(error.message);
    }
  }

  #take(files) {
    if (files.length && !this.#busy) this.dispatchEvent(new CustomEvent('chosen', { detail: files }));
  }

  #fail(words) {
    this.dispatchEvent(new CustomEvent('choosing-failed', { detail: words }));
  }
}

customElements.define('sg-pictures', PictureBox);
