// A picture file that a person has chosen. The file is all that is kept: pixels are decoded where they are needed and let go,
// so that a hundred photographs fit into a phone.

const THUMBNAIL = 320; // pixels of its long side

// What the server reads as it is. Anything else that the browser can read goes there as JPEG.
const PLAIN = new Set(['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/bmp']);

/** The browser cannot read the file; `why` is the end of a key of words-*.js: none, heic. */
export class Unreadable extends Error {
  constructor(file, why) {
    super(file.name);
    this.why = why;
  }
}

export class Picture {
  answers = new Map(); // task → what the server said, or why it did not
  #file;
  #key = null;
  #prepared = null;

  /** `width`, `height`: upright. `thumbnail`: a small JPEG. */
  constructor(file, width, height, thumbnail) {
    this.#file = file;
    this.width = width;
    this.height = height;
    this.thumbnail = thumbnail;
  }

  static async read(file) {
    const whole = await decode(file);
    try {
      const thumbnail = await encode(whole, scaled(whole, THUMBNAIL), 0.8);
      return new Picture(file, whole.width, whole.height, thumbnail);
    } finally {
      whole.close();
    }
  }

  get name() {
    return this.#file.name;
  }

  get bytes() {
    return this.#file.size;
  }

  /** The pixels, the long side at most so long; the caller closes them. */
  async pixels(longSide = Infinity) {
    const whole = await decode(this.#file);
    const { width, height } = scaled(whole, longSide);
    if (width === whole.width) return whole;
    try {
      return await createImageBitmap(whole, { resizeWidth: width, resizeHeight: height, resizeQuality: 'high' });
    } finally {
      whole.close();
    }
  }

  /** What is sent: { body, width, height }. `longSide`: 0 for the file as it is; `quality`: of the JPEG, 0 to 1. */
  prepare(longSide, quality) {
    const key = `${longSide} ${quality}`;
    if (this.#key !== key) {
      this.#key = key;
      this.#prepared = this.#make(longSide, quality);
    }
    return this.#prepared;
  }

  /** It was sent: what was made for it is not needed any more. */
  letGo() {
    this.#key = this.#prepared = null;
  }

  async #make(longSide, quality) {
    const plain = PLAIN.has(this.#file.type);
    const asItIs = { body: this.#file, width: this.width, height: this.height };
    if (!longSide && plain) return asItIs;
    const whole = await decode(this.#file);
    try {
      const size = scaled(whole, longSide || Infinity);
      const body = await encode(whole, size, quality);
      // Encoded anew and not smaller: nothing is won by it.
      return plain && size.width === whole.width && body.size >= this.#file.size ? asItIs : { body, ...size };
    } finally {
      whole.close();
    }
  }
}

function scaled({ width, height }, longSide) {
  const zoom = Math.min(1, longSide / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * zoom)), height: Math.max(1, Math.round(height * zoom)) };
}

async function decode(file) {
  try {
    return await createImageBitmap(file, { imageOrientation: 'from-image' });
  } catch {
    throw new Unreadable(file, (await isHeic(file)) ? 'heic' : 'none');
  }
}

// ISO 14496-12: the length of the first box, "ftyp", the brand.
async function isHeic(file) {
  const start = await file.slice(4, 12).text().catch(() => ''); // a folder cannot be read
  return /^ftyp(hei|hev|mif1|msf1)/.test(start);
}

async function encode(picture, { width, height }, quality) {
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width, height });
  const pen = canvas.getContext('2d');
  pen.imageSmoothingQuality = 'high';
  // JPEG has no transparency, and what is transparent would turn black.
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, width, height);
  pen.drawImage(picture, 0, 0, width, height);
  const body = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', quality));
  canvas.width = canvas.height = 0; // Safari keeps the memory of a canvas for a while otherwise
  if (!body) throw new Error('canvas');
  return body;
}
