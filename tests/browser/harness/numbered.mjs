// Reads what is really on the canvas while a numbered video of fixtures/ plays: the frame number that is drawn into the
// picture, and the edges of the boxes, each time that the page draws. fixtures/README.md describes the pictures.

import assert from 'node:assert/strict';

// class_id → the line of pixels that goes through the middle of the shape, and where its middle is on frame n.
const SHAPES = [
  { id: 0, row: 90, middle: (n) => 40 + 2 * n, forward: 1 },
  { id: 2, row: 180, middle: (n) => 246 - 2 * n, forward: -1 },
];

/** From now on every drawing on the canvas is written down in the page, in the same task in which it happens. */
export async function record(page, name = 'view') {
  await page.evaluate(async ([shapes, hook]) => {
    const { colourOf } = await import('/colours.js');
    const canvas = document.querySelector(`[data-testid=${hook}]`);
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
  }, [SHAPES.map(({ id, row }) => ({ id, row })), name]);
}

/** What was drawn since the last call, with what is on the canvas at this moment at the end. */
export const drawn = (page) => page.evaluate(() => (window.look(), window.seen.splice(0)));

/**
 * Every drawing: the number in the picture is that of the boxes, the time is that of the server's event, and the lines
 * are where the event says. `numberOf`: the number that the picture of a frame carries; of a camera nobody knows which, so
 * there the number in the picture is believed, and the shapes tell whether the boxes are those of that number.
 */
export function check(drawings, events, threshold, numberOf = (frame) => frame) {
  assert.ok(drawings.length > 0, 'nothing was drawn');
  const offs = [];
  for (const { frame, time, code, lines } of drawings) {
    const event = events[frame];
    assert.equal(code, numberOf(frame, code), `the picture of ${code} was shown with the boxes of ${frame}`);
    assert.equal(time, event.time, `frame ${frame} was marked with another time`);
    SHAPES.forEach(({ id, middle, forward }, i) => {
      const found = event.detections.filter((one) => one.class_id === id && one.score >= threshold);
      const outlines = found.map(({ box: [x, , w] }) => [x, x + w]);
      const both = `frame ${frame}, class ${id}: lines ${JSON.stringify(lines[i])} for ${JSON.stringify(outlines)}`;
      assert.equal(lines[i].length, 2 * outlines.length, both);
      for (const [left, right] of outlines) {
        assert.ok(lines[i].some(([from]) => isRounded(from, left)), both);
        assert.ok(lines[i].some(([, to]) => isRounded(to + 1, right)), both);
        offs.push(((left + right) / 2 - middle(code)) * forward);
      }
    });
  }
  // Not only what the server says, but what is true: the boxes are around the shapes of the very number in the picture.
  // Both shapes move by two pixels a frame, one to the right and one to the left, so one frame too late or too early is
  // two pixels on average; a detector's own trembling is less.
  const worst = Math.max(0, ...offs.map(Math.abs));
  assert.ok(worst <= 8, `a box is ${worst} pixels off its shape`);
  const mean = offs.reduce((sum, off) => sum + off, 0) / (offs.length || 1);
  assert.ok(offs.length < 40 || Math.abs(mean) < 1, `boxes are ${mean} pixels off on average`);
}

// The page keeps boxes as 32-bit floats, so that 250.5 may come out as 250.
const isRounded = (whole, value) => Math.abs(whole - value) <= 0.501;
