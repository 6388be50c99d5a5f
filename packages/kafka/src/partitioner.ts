import { Buffer } from 'node:buffer'; // the global of that name is a getter, and this is a hot path

const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/**
 * The partition that Kafka's own clients choose for a key: `toPositive(murmur2(key)) % partitions`
 * (org.apache.kafka.common.utils.Utils), so that records of a Java producer and ours meet in one partition.
 * kafkajs computes the same on 64-bit integers, which takes longer than all else it does for a record.
 */
export function partitionOf(key: string | Buffer, partitions: number): number {
  return (murmur2(typeof key === 'string' ? Buffer.from(key, 'utf8') : key) & 0x7fffffff) % partitions;
}

function murmur2(data: Buffer): number {
  const length = data.length;
  let h = SEED ^ length;
  const aligned = length & ~3;
  for (let i = 0; i < aligned; i += 4) {
    let k = data.readInt32LE(i);
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
