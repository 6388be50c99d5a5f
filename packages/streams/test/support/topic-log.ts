import { setTimeout as sleep } from 'node:timers/promises';
import type { InRecord, Kafka, KafkaAdmin } from '@millrace/kafka';
import type { Topology } from '../../src/index.ts';

/** Generous: other tests share the machine. Only a test that fails waits for it. */
const WAIT_MS_MAX = 60_000;
const POLL_WAIT_MS = 50;

/** Reads topics along with whoever writes them, as one that sees committed records only. */
export interface TopicLog {
  /**
   * All records of a topic, by partition and in its order, up to where it ends now. What a transaction has written
   * counts to that end, so this waits until every open transaction is over: nothing is still to come out of the past.
   */
  readToEnd(topic: string): Promise<readonly InRecord[]>;
  /** What `readToEnd` found last. */
  recordsOf(topic: string): readonly InRecord[];
  close(): Promise<void>;
}

export async function openTopicLog(kafka: Kafka, admin: KafkaAdmin, topics: readonly string[]): Promise<TopicLog> {
  const reader = await kafka.reader({ isolation: 'read_committed' });
  // Sees where a topic ends with what is in open transactions; those who read committed records are told of no such end.
  const tail = await kafka.reader({ isolation: 'read_uncommitted' });
  const endsOf = async (topic: string): Promise<{ partition: number; end: number }[]> => {
    const partitions = (partitionsOf.get(topic) ?? []).map((partition) => ({ topic, partition }));
    tail.assign(partitions.map((partition) => ({ ...partition, offset: 'end' as const })));
    while (partitions.some((partition) => tail.position(partition) === undefined)) await tail.poll({ maxWaitMs: 1 });
    const ends = partitions.map((partition) => ({ ...partition, end: tail.position(partition) ?? 0 }));
    tail.unassign(partitions);
    return ends;
  };
  const partitionsOf = new Map<string, number[]>();
  const records = new Map<string, InRecord[]>(topics.map((topic) => [topic, []]));
  for (const topic of records.keys()) {
    const partitions = (await admin.offsets(topic)).map(({ partition }) => partition);
    partitionsOf.set(topic, partitions);
    reader.assign(partitions.map((partition) => ({ topic, partition, offset: 'start' as const })));
  }
  const readToEnd = async (topic: string): Promise<readonly InRecord[]> => {
    const ends = await endsOf(topic);
    const behind = () =>
      ends.filter(({ partition, end }) => end > 0 && (reader.position({ topic, partition }) ?? 0) < end);
    const deadline = Date.now() + WAIT_MS_MAX;
    while (behind().length > 0) {
      if (Date.now() > deadline) throw new Error(`${topic} was not read to its end: ${JSON.stringify(behind())}`);
      for (const batch of await reader.poll({ maxWaitMs: POLL_WAIT_MS }))
        records.get(batch.topic)?.push(...batch.records);
    }
    return records.get(topic) ?? [];
  };
  let reading: Promise<unknown> = Promise.resolve();
  return {
    // One at a time: a reader has one owner.
    readToEnd: (topic) => {
      const read = reading.then(() => readToEnd(topic));
      reading = read.catch(() => undefined);
      return read;
    },
    recordsOf: (topic) => records.get(topic) ?? [],
    close: async () => {
      await Promise.all([reader.close(), tail.close()]);
    },
  };
}

/**
 * Waits until an application has processed and committed all that lies in its inputs, and all that its processors have
 * written to each other meanwhile.
 *
 * @param check called while waiting; throws when there is nothing to wait for any more
 */
export async function settled(
  { applicationId, processors }: Topology,
  log: TopicLog,
  admin: KafkaAdmin,
  check: () => void = () => undefined,
): Promise<void> {
  const inputs = processors.flatMap((processor) => Object.values(processor.inputs as object)) as { name: string }[];
  const topics = inputs.map(({ name }) => name);
  const deadline = Date.now() + WAIT_MS_MAX;
  const settle = async (topic: string): Promise<void> => {
    const last = new Map((await log.readToEnd(topic)).map(({ partition, offset }) => [partition, offset]));
    for (;;) {
      check();
      const committed = new Map(
        (await admin.committed(applicationId, [topic])).map(({ partition, offset }) => [partition, offset]),
      );
      const behind = [...last].filter(([partition, offset]) => (committed.get(partition) ?? -1) <= offset);
      if (behind.length === 0) return;
      if (Date.now() > deadline)
        throw new Error(`${applicationId} has not processed ${topic}: ${JSON.stringify(behind)} of ${[...committed]}`);
      await sleep(POLL_WAIT_MS);
    }
  };
  // One stage may feed an earlier one: until a round has found nothing new.
  const count = () => topics.reduce((sum, topic) => sum + log.recordsOf(topic).length, 0);
  let before: number;
  do {
    before = count();
    for (const topic of topics) await settle(topic);
  } while (count() > before);
}
