import { Buffer } from 'node:buffer'; // the global of that name is a getter, and this is a hot path

const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/**
 * The partition that Kafka's own clients choose for a key: `toPositive(murmur2(key)) % partitions`
 * (org.apache.kafka.common.utils.Utils), so that records of a Java producer and ours meet in one partition.
 * kafkajs computes the same on 64-bit integers, which takes longer than all else it does for a record.
 */
export function partitionOf(key: string | Buffer, partitions: number): number {
  const hash = typeof key === 'string' ? murmur2OfText(key) : murmur2OfBuffer(key);
  return (hash & 0x7fffffff) % partitions;
}

/** Keys are short and ASCII nearly always: their bytes are their characters, and need no buffer of their own. */
const SHORT_KEY = new Uint8Array(64);

function murmur2OfText(text: string): number {
  const { length } = text;
  if (length > SHORT_KEY.length) return murmur2OfBuffer(Buffer.from(text, 'utf8'));
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) return murmur2OfBuffer(Buffer.from(text, 'utf8'));
    SHORT_KEY[i] = code;
  }
  return murmur2(SHORT_KEY, length);
}
const murmur2OfBuffer = (bytes: Buffer): number => murmur2(bytes, bytes.length);

function murmur2(data: Uint8Array, length: number): number {
  let h = SEED ^ length;
  const aligned = length & ~3;
  for (let i = 0; i < aligned; i += 4) {
    let k = at(data, i) | (at(data, i + 1) << 8) | (at(data, i + 2) << 16) | (at(data, i + 3) << 24);
    k = Math.imul(k, M);
    k ^= k >>> 24;
    k = Math.imul(k, M);
    h = Math.imul(h, M) ^ k;
  }
  const rest = length & 3;
  if (rest >= 3) h ^= (data[aligned + 2] ?? 0) << 16;
  if (rest >= 2) h ^= (data[aligned + 1] ?? 0) << 8;
  if (rest >= 1) h = Math.imul(h ^ (data[aligned] ?? 0), M);
  h ^= h >>> 13;
  h = Math.imul(h, M);
  return h ^ (h >>> 15);
}

const at = (data: Uint8Array, index: number): number => data[index] as number;

/**
 * A record without a key goes where its bytes send it. Not round-robin: when kafkajs repeats a request it chooses the
 * partitions again, and only the same choice lets the broker see that it has the batch already.
 */
export function partitionOfRecord(
  key: string | Buffer | null | undefined,
  value: string | Buffer | null | undefined,
  partitions: number,
): number {
  return partitionOf(key ?? value ?? '', partitions);
}
