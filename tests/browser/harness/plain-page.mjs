// The part of Playwright's page that the shared tests use, on top of a driver that can run a script in a page.

import { PATIENCE } from './page.mjs';

export class PlainPage {
  faults = [];
  notes = [];
  keyboard;
  #driver;

  /** driver: run(expression) → JSON value, awaited; setFiles(css, paths), press(key), screenshot() → PNG, url() */
  constructor(driver) {
    this.#driver = driver;
    this.keyboard = { press: (key) => driver.press(key) };
  }

  /** Until the page has asked the server for its videos, as `openPage` in page.mjs waits. */
  settled() {
    return this.waitForFunction(() => {
      const none = document.querySelector('sg-videos .none');
      return document.readyState === 'complete' && (!none || !none.hidden || document.querySelector('sg-videos li'));
    });
  }

  evaluate(act, value) {
    return this.#driver.run(`(${act})(${argument(value)})`);
  }

  /** Until `act` is true in the page; it is asked at every repaint or, where none comes, every fifth of a second. */
  async waitForFunction(act, value) {
    const done = await this.#driver.run(`(async () => {
      const act = ${act};
      const late = performance.now() + ${PATIENCE};
      for (;;) {
        if (await act(${argument(value)})) return true;
        if (performance.now() > late) return false;
        await new Promise((on) => { requestAnimationFrame(on); setTimeout(on, 200); });
      }
    })()`);
    if (!done) throw new Error(`waited in vain: ${act} (${JSON.stringify(value)})`);
  }

  locator(css) {
    const run = (act, value) =>
      this.#driver.run(`(${act})(document.querySelector(${JSON.stringify(css)}), ${argument(value)})`);
    return {
      evaluate: run,
      click: async () => {
        // As a person: only what can be seen and pressed.
        await this.waitForFunction((one) => {
          const element = document.querySelector(one);
          return element && !element.disabled && element.getClientRects().length > 0;
        }, css);
        await run((element) => element.click());
      },
      focus: () => run((element) => element.focus()),
      textContent: () => run((element) => element.textContent),
      isVisible: () => run((element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility === 'visible'),
      setInputFiles: (files) => this.#driver.setFiles(css, [files].flat()),
    };
  }

  screenshot() {
    return this.#driver.screenshot();
  }

  url() {
    return this.#driver.url();
  }
}

const argument = (value) => (value === undefined ? 'undefined' : JSON.stringify(value));
