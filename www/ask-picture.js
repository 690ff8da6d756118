// Sends one picture and reads what is said about it.

import { askImage } from './api.js';
import { t } from './i18n.js';

/**
 * `query`: of the call. Resolves to { found } or { error: words }. In `found` the boxes are in pixels of the picture
 * as the person has it, best first; `drawn` is the address of the server's drawing, if it was asked for one.
 */
export async function askPicture(picture, query, { longSide, quality }, signal) {
  try {
    const { body, width, height } = await picture.prepare(longSide, quality);
    const said = await askImage(body, query, signal);
    if (!said?.detections && !said?.classes) return { error: t('image.odd') };
    return { found: read(said, picture, { width, height }) };
  } catch (error) {
    return { error: error.status === undefined ? t('image.unsent', { name: picture.name }) : error.message };
  } finally {
    picture.letGo();
  }
}

function read({ model, detections, classes, image, url }, { width, height }, sent) {
  const across = width / (sent.width || width);
  const down = height / (sent.height || height);
  const scale = ({ box: [x, y, w, h], ...rest }) => ({ box: [x * across, y * down, w * across, h * down].map(hundredths), ...rest });
  return {
    width,
    height,
    model,
    detections: detections?.map(scale).sort((a, b) => b.score - a.score),
    classes,
    drawn: image ?? url,
  };
}

const hundredths = (value) => Math.round(value * 100) / 100;
