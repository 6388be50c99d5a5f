import { type AbortedTransaction, readInt64 } from './record-batch-decoder.ts';
import type { TopicPartition } from './types.ts';

export interface FetchedPartition extends TopicPartition {
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly aborted: AbortedTransaction[];
  /** Record batches, the last of them possibly cut off. Shares memory with the response. */
  readonly recordSet: Buffer;
}

/** Reads a Fetch response of version 11 without its correlation id (KIP-392). */
export function decodeFetchResponse(raw: Buffer): FetchedPartition[] {
  let at = 4 + 2 + 4; // throttle time, error code and session id: no sessions are used
  const int16 = () => {
    at += 2;
    return raw.readInt16BE(at - 2);
  };
  const int32 = () => {
    at += 4;
    return raw.readInt32BE(at - 4);
  };
  const int64 = () => {
    at += 8;
    return readInt64(raw, at - 8);
  };
  const take = (length: number) => {
    at += length;
    return raw.subarray(at - length, at);
  };

  const found: FetchedPartition[] = [];
  for (let topics = int32(); topics > 0; topics--) {
    const topic = take(int16()).toString('utf8');
    for (let partitions = int32(); partitions > 0; partitions--) {
      const partition = int32();
      const errorCode = int16();
      const highWatermark = int64();
      const lastStableOffset = int64();
      int64(); // log start offset
      const aborted: AbortedTransaction[] = [];
      for (let count = int32(); count > 0; count--) aborted.push({ producerId: int64(), firstOffset: int64() });
      int32(); // preferred read replica: the leader is read
      const recordSet = take(Math.max(0, int32()));
      found.push({ topic, partition, errorCode, highWatermark, lastStableOffset, aborted, recordSet });
    }
  }
  return found;
}
