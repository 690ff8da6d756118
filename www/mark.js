// The frame mark: a picture's number, drawn into the rows below it, so that an event tells to which picture it belongs
// (docs/ref/api.md, `mark=S/H`). The server reads it in src/vision/mark.rs, whose tests hold the cells of some numbers.

const CELLS = 26; // white, black, 16 bits of the number, 8 bits of its CRC

/** CRC-8 with the polynomial 0x07, from 0, over the two bytes of a number, the higher first. */
export function crc8(number) {
  let crc = 0;
  for (const byte of [(number >> 8) & 0xff, number & 0xff]) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = ((crc << 1) ^ (crc & 0x80 ? 0x07 : 0)) & 0xff;
  }
  return crc;
}

/** Draws the mark of `number` (0 to 65535) over `rows` rows from `top` on, from the left edge to `width`. */
export function drawMark(context, number, width, top, rows) {
  const bits = (0b10 << 24) | ((number & 0xffff) << 8) | crc8(number);
  const edge = (cell) => Math.round((cell * width) / CELLS);
  context.fillStyle = '#000';
  context.fillRect(0, top, width, rows);
  context.fillStyle = '#fff';
  for (let cell = 0; cell < CELLS; cell += 1) {
    if ((bits >> (CELLS - 1 - cell)) & 1) context.fillRect(edge(cell), top, edge(cell + 1) - edge(cell), rows);
  }
}
