// Numbers, sizes, times and dates as people of each language write them.

import { language, t } from './i18n.js';

const number = (value, digits) =>
  new Intl.NumberFormat(language(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

export const count = (value) => number(value, 0);

export const oneDigit = (value) => number(value, 1);

export const percent = (fraction) => new Intl.NumberFormat(language(), { style: 'percent' }).format(fraction);

export const percentOneDigit = (fraction) =>
  new Intl.NumberFormat(language(), { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(fraction);

export function bytes(value) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${number(value, unit && value < 100 ? 1 : 0)} ${units[unit]}`;
}

/** 75.4 → "1:15"; with digits 2, "1:15.40". Cut, not rounded: a clock does not run ahead. */
export function clock(seconds, digits = 0) {
  const factor = 10 ** digits;
  const cut = Math.floor(Math.max(0, seconds) * factor + 1e-6) / factor;
  const rest = (cut % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, '0');
  const minutes = Math.floor(cut / 60);
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${rest}`;
}

/** A span of time to wait, as rough as one cares for. */
export function span(seconds) {
  if (seconds < 60) return t('span.seconds', { n: count(Math.max(1, Math.ceil(seconds))) });
  if (seconds < 3600) return t('span.minutes', { n: count(Math.ceil(seconds / 60)) });
  return t('span.hours', { n: oneDigit(seconds / 3600) });
}

export function moment(instant) {
  const date = new Date(instant);
  if (Number.isNaN(date.getTime())) return '';
  return new Intl.DateTimeFormat(language(), { dateStyle: 'medium', timeStyle: 'short' }).format(date);
}
