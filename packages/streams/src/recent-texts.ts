import type { Buffer } from 'node:buffer';

/** Longer texts are mostly ids that come once. */
const TEXT_BYTES_MAX = 24;
const SLOTS = 4_096; // a power of two

/**
 * Makes strings of UTF-8 bytes, and remembers the short ones it made last: keys and codes come again and again. A
 * string that is there already leaves nothing for the garbage collector, and finds its place in a Map sooner, as its hash
 * is known. Holds at most 4,096 strings of 24 characters.
 */
export class RecentTexts {
  readonly #texts: string[] = new Array<string>(SLOTS).fill('');

  read(bytes: Buffer, start: number, end: number): string {
    const length = end - start;
    if (length > TEXT_BYTES_MAX) return bytes.toString('utf8', start, end);
    let hash = length;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte >= 0x80) return bytes.toString('utf8', start, end);
      hash = Math.imul(hash ^ byte, 0x01000193); // FNV-1a
    }
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const recent = this.#texts[slot] as string;
    if (recent.length === length && equals(recent, bytes, start)) return recent;
    const text = bytes.toString('latin1', start, end);
    this.#texts[slot] = text;
    return text;
  }
}

function equals(text: string, bytes: Buffer, start: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}
