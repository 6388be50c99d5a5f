/** How a value lies in the changelog of a store. */
export function jsonCodec<V>(): { encode(value: V): string; decode(bytes: Buffer): V } {
  return { encode: (value) => JSON.stringify(value), decode: (bytes) => JSON.parse(bytes.toString('utf8')) as V };
}
