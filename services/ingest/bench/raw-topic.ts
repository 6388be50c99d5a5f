import type { Kafka } from '@millrace/kafka';
import { NUMBER_DIGITS } from './load/task.ts';

export interface TopicCount {
  readonly records: number;
  /** Sum over the partitions of end minus start: the same as `records`, or records are missing in between. */
  readonly offsets: number;
  /** Numbers of events, how often each was found. */
  readonly timesByNumber: Uint8Array;
}

const IDLE_MS_MAX = 30_000;

/**
 * Reads a topic of this run from its start to its end, and counts events by the number in their `event_id`
 * (`<run>-000000001`, or `<device>:<time>:1000000001`): both end with the number.
 */
export async function countTopic(kafka: Kafka, topic: string, numbers: number): Promise<TopicCount> {
  const admin = await kafka.admin();
  const partitions = await admin.offsets(topic);
  await admin.close();
  const reader = await kafka.reader({ isolation: 'read_committed', partitionBytesMax: 4 * 1024 * 1024 });
  const timesByNumber = new Uint8Array(numbers);
  const left = new Map(partitions.map(({ partition, start, end }) => [partition, end - start]));
  const offsets = [...left.values()].reduce((sum, count) => sum + count, 0);
  let records = 0;
  let deadlineMs = performance.now() + IDLE_MS_MAX;
  reader.assign(partitions.map(({ partition, start }) => ({ topic, partition, offset: start })));
  try {
    while (records < offsets && performance.now() < deadlineMs) {
      for (const batch of await reader.poll({ maxWaitMs: 500 })) {
        if (batch.records.length > 0) deadlineMs = performance.now() + IDLE_MS_MAX;
        records += batch.records.length;
        for (const { headers } of batch.records) {
          const number = Number(headers.event_id?.toString('latin1').slice(-NUMBER_DIGITS));
          if (number < numbers) timesByNumber[number] = Math.min(255, (timesByNumber[number] ?? 0) + 1);
        }
      }
    }
  } finally {
    await reader.close();
  }
  return { records, offsets, timesByNumber };
}
