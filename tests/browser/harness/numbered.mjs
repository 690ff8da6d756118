// Reads what is really on the canvas while a numbered video of fixtures/ plays: the frame number that is drawn into the
// picture, and the edges of the boxes, each time that the page draws. fixtures/README.md describes the pictures.

import assert from 'node:assert/strict';

// class_id → the line of pixels that goes through the middle of the shape, and where its middle is on frame n.
const SHAPES = [
  { id: 0, row: 90, middle: (n) => 40 + 2 * n },
  { id: 2, row: 180, middle: (n) => 246 - 2 * n },
];

/** From now on every drawing is written down in the page, in the same task in which it happens. */
export async function record(page) {
  await page.evaluate(async (shapes) => {
    const { colourOf } = await import('/colours.js');
    const canvas = document.querySelector('[data-testid=view]');
    const pen = canvas.getContext('2d');
    const bright = (data, i) => 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
    const code = () => {
      const { data } = pen.getImageData(0, 0, 256, 16);
      let number = 0;
      for (let bit = 0; bit < 16; bit += 1) {
        let sum = 0;
        for (let y = 4; y < 12; y += 1) for (let x = 4; x < 12; x += 1) sum += bright(data, 4 * (y * 256 + 16 * bit + x));
        number = number * 2 + (sum / 64 > 128 ? 1 : 0);
      }
      return number;
    };
    // The stretches of a row that are exactly of the class's colour: the left and the right line of its box.
    const lines = ({ id, row }) => {
      const [r, g, b] = colourOf(id).line.match(/\d+/g).map(Number);
      const { data } = pen.getImageData(0, row, canvas.width, 1);
      const found = [];
      for (let x = 0; x < canvas.width; x += 1) {
        if (data[4 * x] !== r || data[4 * x + 1] !== g || data[4 * x + 2] !== b) continue;
        if (found.at(-1)?.[1] === x - 1) found.at(-1)[1] = x;
        else found.push([x, x]);
      }
      return found;
    };
    const note = () => {
      if (canvas.dataset.frame === undefined) return;
      const { frame, time } = canvas.dataset;
      window.seen.push({ frame: Number(frame), time: Number(time), code: code(), lines: shapes.map(lines) });
    };
    window.seen = [];
    window.look = note;
    // Its callback is a microtask: it runs right after the script that has drawn, before anything else can draw.
    new MutationObserver(note).observe(canvas, { attributeFilter: ['data-frame'] });
    note();
  }, SHAPES.map(({ id, row }) => ({ id, row })));
}

/** What was drawn since the last call, with what is on the canvas at this moment at the end. */
export const drawn = (page) => page.evaluate(() => (window.look(), window.seen.splice(0)));

/**
 * Every drawing: the number in the picture is that of the boxes, the time is that of the server's event, and the lines
 * are where the event says. `first`: the number that the first frame carries.
 */
export function check(drawings, events, threshold, first = 0) {
  assert.ok(drawings.length > 0, 'nothing was drawn');
  for (const { frame, time, code, lines } of drawings) {
    const event = events[frame];
    assert.equal(code, frame + first, `the picture of ${code} was shown with the boxes of ${frame}`);
    assert.equal(time, event.time, `frame ${frame} was marked with another time`);
    SHAPES.forEach(({ id, middle }, i) => {
      const found = event.detections.filter((one) => one.class_id === id && one.score >= threshold);
      const edges = found.map(({ box: [x, , w] }) => [Math.max(0, Math.round(x)), Math.round(x + w) - 1]);
      const lefts = new Set(edges.flatMap(([left, right]) => [left, right]));
      for (const edge of lefts) {
        const there = lines[i].some(([from, to]) => from <= edge && edge <= to);
        assert.ok(there, `frame ${frame}: no line of class ${id} at column ${edge} but ${JSON.stringify(lines[i])}`);
      }
      assert.equal(lines[i].length, lefts.size, `frame ${frame}: ${JSON.stringify(lines[i])} for ${JSON.stringify(edges)}`);
      // Not only what the server says, but what is true: the box is around the shape of the very number in the picture.
      for (const [left, right] of edges) {
        const off = Math.abs((left + right + 1) / 2 - middle(code));
        assert.ok(off <= 4, `frame ${frame}: the box of class ${id} is ${off} pixels off the shape`);
      }
    });
  }
}
