import { createHash } from 'node:crypto';
import { ID_ALPHABET, ID_LENGTH_MAX, NAME_LENGTH_MAX, wireSchemas } from '@millrace/contracts';

/**
 * The id of an edge node (`group:node`) or of a device behind it (`group:node:device`). Sparkplug ids may hold anything
 * but `+`, `/` and `#`; what an id of ours cannot hold, and the colon, is written `_xHH_` with its UTF-8 bytes in
 * hexadecimal. So different names give different ids, and two groups never share one.
 *
 * `undefined` when there is an empty name, or the id would be longer than ids are.
 */
export function sparkplugId(...names: readonly string[]): string | undefined {
  if (names.some((name) => name === '')) return undefined;
  const id = names.map((name) => escaped(name, NOT_IN_ID_PART)).join(':');
  return id.length <= ID_LENGTH_MAX ? id : undefined;
}

/**
 * The name that a Sparkplug metric has in `telemetry.v1`. It stays as it is when it may (letters, digits, `. _ : / -`,
 * the first a letter or digit, at most 64); other characters are written `_xHH_`. What cannot be written so (too long,
 * another first character, a reserved name) is cut, and gets the first ten hexadecimal digits of its SHA-256 behind it.
 */
export function metricName(name: string): string {
  const written = escaped(name, NOT_IN_NAME);
  if (written.length <= NAME_LENGTH_MAX && /^[A-Za-z0-9]/.test(written) && !RESERVED.has(written)) return written;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, DIGEST_DIGITS);
  const start = written.replace(/^[^A-Za-z0-9]+/, '').slice(0, NAME_LENGTH_MAX - DIGEST_DIGITS - 1);
  return start === '' ? digest : `${start}-${digest}`;
}

const DIGEST_DIGITS = 10;
/** `_x` is what begins an escape, so it is one itself. */
const NOT_IN_ID_PART = new RegExp(`[^${ID_ALPHABET.replace(':', '')}]|_(?=x)`, 'gu');
const NOT_IN_NAME = /[^A-Za-z0-9_.:/-]|_(?=x)/gu;
/** A text metric becomes an attribute, and there a field of the reading cannot be repeated. */
const RESERVED = new Set(['constructor', 'prototype', ...Object.keys(wireSchemas.telemetry.properties)]);

function escaped(text: string, others: RegExp): string {
  return text.replace(others, (character) => `_x${Buffer.from(character).toString('hex').toUpperCase()}_`);
}
