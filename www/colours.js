// One colour per class, the same in every frame, video and session. Neighbouring ids get distant hues, and the lightness
// follows the hue so that the label's text stays readable on its plate.

const GOLDEN_ANGLE = 137.508;
const known = new Map();

/** `{ line, ink }`: CSS colours of the box and of the text that stands on it. */
export function colourOf(classId) {
  let colour = known.get(classId);
  if (!colour) {
    const [r, g, b] = rgb((172 + classId * GOLDEN_ANGLE) % 360, 0.86, 0.56 + 0.06 * (Math.floor(classId / 8) % 2));
    const light = (0.299 * r + 0.587 * g + 0.114 * b) / 255;
    colour = { line: `rgb(${r}, ${g}, ${b})`, ink: light > 0.52 ? '#0a1113' : '#ffffff' };
    known.set(classId, colour);
  }
  return colour;
}

function rgb(hue, saturation, lightness) {
  const chroma = saturation * Math.min(lightness, 1 - lightness);
  const channel = (n) => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * (lightness - chroma * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}
