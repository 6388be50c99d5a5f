import type { Codec } from '../joins/join-store.ts';

/** For values that survive JSON. */
export function jsonCodec<V>(): Codec<V> {
  return {
    encode: (value) => JSON.stringify(value),
    decode: (bytes) => JSON.parse(bytes.toString('utf8')) as V,
  };
}
