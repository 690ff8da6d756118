// A photograph by the webcam, in a dialog.

import { Camera, troubleOf } from './camera-device.js';
import { t } from './i18n.js';
import { stamp } from './save-file.js';

const LARGEST = { width: 1920, height: 1080 };

export class PhotoDialog {
  #taken;
  #dialog = document.getElementById('photo');
  #video = this.#dialog.querySelector('video');
  #words = this.#dialog.querySelector('[role=status]');
  #shutter = this.#dialog.querySelector('[data-testid=photo-take]');
  #camera;

  /** `taken(file)` is given each photograph. */
  constructor(taken) {
    this.#taken = taken;
    this.#camera = new Camera(this.#video, { gone: () => this.#say(t('camera.gone')), changed: () => {} });
    this.#shutter.onclick = () => this.#take();
    this.#dialog.querySelector('[data-testid=photo-close]').onclick = () => this.#dialog.close();
    this.#dialog.onclose = () => this.#camera.close();
  }

  /** Throws with words where there is no way to a photograph. */
  async open() {
    if (!Camera.possible) throw new Error(t('image.photo.insecure'));
    this.#shutter.disabled = true;
    this.#say(t('camera.asking'));
    this.#dialog.showModal();
    try {
      if (!(await this.#camera.open({ facing: 'environment', ...LARGEST }))) return;
      this.#say('');
      this.#shutter.disabled = false;
      this.#shutter.focus();
    } catch (error) {
      const trouble = troubleOf(error);
      this.#say(trouble === 'camera.none' ? t('image.photo.none') : t(trouble, { words: error.message }));
    }
  }

  async #take() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (!width) return;
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width, height });
    canvas.getContext('2d').drawImage(this.#video, 0, 0);
    this.#dialog.close();
    const photo = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.95));
    if (photo) this.#taken(new File([photo], `photo-${stamp(new Date())}.jpg`, { type: photo.type }));
  }

  #say(words) {
    this.#words.textContent = words;
    this.#words.hidden = !words;
    this.#video.hidden = Boolean(words); // nothing is to be seen yet, or any more
  }
}
