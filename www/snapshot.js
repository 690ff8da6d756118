// Saves what a canvas shows, picture and boxes, as a PNG file.

import { saveFile, stamp } from './save-file.js';

export async function saveSnapshot(canvas, name) {
  const picture = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (picture) saveFile(picture, `${name}-${stamp(new Date())}.png`);
}
