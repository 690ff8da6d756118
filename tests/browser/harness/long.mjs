// The numbered video again and again, for tests that need work which goes on for a while. Frame n carries n modulo 90.

import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { fixture } from './service.mjs';

export const LOOP = 90;

/** Makes `names` (the ending says the format) of `rounds` times 90 frames each; `remove()` takes them away. */
export async function makeLong(rounds, names) {
  const folder = await mkdtemp(join(tmpdir(), 'sightglass-long-'));
  const files = names.map((name) => join(folder, name));
  for (const file of files) {
    const codec = file.endsWith('.avi') ? ['mpeg4', '-q:v', '3'] : ['libx264', '-preset', 'veryfast', '-bf', '2'];
    const input = ['-stream_loop', String(rounds - 1), '-i', fixture('numbered.mp4')];
    execFileSync('ffmpeg', ['-v', 'error', ...input, '-frames:v', String(rounds * LOOP), '-c:v', ...codec, '-y', file]);
  }
  return { files, remove: () => rm(folder, { recursive: true, force: true }) };
}
