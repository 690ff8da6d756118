// The kinds of files whose times browsers treat differently, so that what was proven with one kind is not believed of
// another (docs/design/0013-frame-proof.md).

export const KIND = { mp4: 'mp4', cut: 'mp4-cut', webm: 'webm' };

const BLOCK = 32 * 1024;
const KINDS = {
  'video/mp4': KIND.mp4,
  'video/quicktime': KIND.mp4,
  'video/webm': KIND.webm,
  'video/x-matroska': KIND.webm,
};

/**
 * The kind of a file, or null for a container that is no such kind. `contentType`: as the server found it in the bytes.
 * `source`: the file itself (a Blob), or the address from which the server gives parts of it.
 */
export async function kindOf(contentType, source) {
  const kind = KINDS[contentType] ?? null;
  if (kind !== KIND.mp4) return kind;
  try {
    return (await isPlain(new Reader(source))) ? KIND.mp4 : KIND.cut;
  } catch {
    return KIND.cut; // it cannot be read, so the simple case is not known
  }
}

// An MP4 is plain when its edit list shows the pictures from the first one in the file on: either there is none, or it only
// takes back the delay that reordered pictures (B-frames) cost. Boxes: ISO/IEC 14496-12, 8.6.6 (elst), 8.6.1.3 (ctts).
async function isPlain(reader) {
  const movie = await find(reader, { start: 0, end: Infinity }, 'moov');
  if (!movie) return false;
  for await (const track of boxes(reader, movie)) {
    if (track.type !== 'trak') continue;
    const media = await find(reader, track, 'mdia');
    const handler = media && (await find(reader, media, 'hdlr'));
    if (!handler || (await reader.text(handler.start + 8, 4)) !== 'vide') continue;
    const delay = await firstDelay(reader, media);
    const edits = await find(reader, track, 'edts');
    const list = edits && (await find(reader, edits, 'elst'));
    if (!list) return delay === 0;
    const long = (await reader.number(list.start, 1)) === 1;
    if ((await reader.number(list.start + 4, 4)) !== 1) return false;
    const entry = list.start + 8;
    const from = await reader.number(entry + (long ? 8 : 4), long ? 8 : 4);
    const rate = await reader.number(entry + (long ? 16 : 8), 4);
    return from === delay && rate === 0x10000;
  }
  return false;
}

// From decoding to showing the first picture, in the track's time scale; 0 where pictures are not reordered.
async function firstDelay(reader, media) {
  const info = await find(reader, media, 'minf');
  const table = info && (await find(reader, info, 'stbl'));
  const delays = table && (await find(reader, table, 'ctts'));
  if (!delays || (await reader.number(delays.start + 4, 4)) === 0) return 0;
  return (await reader.number(delays.start + 12, 4)) | 0;
}

async function find(reader, within, type) {
  for await (const box of boxes(reader, within)) if (box.type === type) return box;
  return null;
}

/** The boxes within a box: { type, start, end } of what is in each. */
async function* boxes(reader, { start, end }) {
  let at = start;
  while (at + 8 <= Math.min(end, await reader.size())) {
    const short = await reader.number(at, 4);
    const head = short === 1 ? 16 : 8;
    const length = short === 1 ? await reader.number(at + 8, 8) : short;
    if (length !== 0 && length < head) throw new Error('not a box');
    const next = length === 0 ? end : at + length; // 0: up to the end of the file
    yield { type: await reader.text(at + 4, 4), start: at + head, end: next };
    at = next;
  }
}

/** Reads a file here and there, in blocks that are kept: the index of a long video has megabytes. */
class Reader {
  #source;
  #size = null;
  #blocks = new Map();

  constructor(source) {
    this.#source = source;
  }

  async size() {
    if (this.#size === null) await this.#block(0);
    return this.#size;
  }

  /** Big-endian. */
  async number(at, bytes) {
    let value = 0;
    for (let n = 0; n < bytes; n += 1) value = value * 256 + (await this.#byte(at + n));
    return value;
  }

  async text(at, bytes) {
    let value = '';
    for (let n = 0; n < bytes; n += 1) value += String.fromCharCode(await this.#byte(at + n));
    return value;
  }

  async #byte(at) {
    const block = await this.#block(Math.floor(at / BLOCK));
    const value = block[at % BLOCK];
    if (value === undefined) throw new Error('the file ends');
    return value;
  }

  async #block(n) {
    if (!this.#blocks.has(n)) this.#blocks.set(n, await this.#read(n * BLOCK));
    return this.#blocks.get(n);
  }

  async #read(from) {
    if (this.#source instanceof Blob) {
      this.#size = this.#source.size;
      return new Uint8Array(await this.#source.slice(from, from + BLOCK).arrayBuffer());
    }
    const answer = await fetch(this.#source, { headers: { Range: `bytes=${from}-${from + BLOCK - 1}` } });
    const size = Number(/\/(\d+)$/.exec(answer.headers.get('content-range') ?? '')?.[1]);
    if (answer.status !== 206 || !size) throw new Error('no parts of the file are given');
    this.#size = size;
    return new Uint8Array(await answer.arrayBuffer());
  }
}
