/**
 * Hashes of text without a `node:` module: two lanes of 32-bit FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/)
 * over UTF-16 code units, the second with another start and the lane before mixed in. Not for secrets.
 */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const SECOND_OFFSET = 0x6c62272e;

/** An id as a number that a window can hold: 53 bits, so two of a million ids are the same with probability 6e-5. */
export function hashId(id: string): number {
  const [high, low] = lanes(id);
  return (high & 0x1fffff) * 0x1_0000_0000 + low;
}

/** A text's fingerprint: 16 hexadecimal digits. */
export function fingerprint(text: string): string {
  return lanes(text)
    .map((lane) => lane.toString(16).padStart(8, '0'))
    .join('');
}

function lanes(text: string): [number, number] {
  let low = FNV_OFFSET;
  let high = SECOND_OFFSET;
  for (let i = 0; i < text.length; i++) {
    low = Math.imul(low ^ text.charCodeAt(i), FNV_PRIME);
    high = Math.imul(high ^ (low >>> 15) ^ text.charCodeAt(i), FNV_PRIME);
  }
  return [high >>> 0, low >>> 0];
}
