// The server's words, in the language of the page as far as they are known there.

import { language, t } from './i18n.js';
import zh from './said-zh.js';

const KNOWN = { zh: zh.map(([words, own]) => [pattern(words), own]) };

/** What the server has said, for a person. Words that nobody has translated stay, and it is told whose they are. */
export const said = (words) => known(words) ?? t('error.said', { words });

function known(words) {
  for (const [form, own] of KNOWN[language()] ?? []) {
    const found = form.exec(words);
    if (!found) continue;
    let hole = 0;
    // What stands in a hole may be words too.
    return own.replace(/\{\}/g, () => known(found[(hole += 1)]) ?? found[hole]);
  }
  return null;
}

function pattern(words) {
  const parts = words.split('{}').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('(.+?)')}$`, 's');
}
