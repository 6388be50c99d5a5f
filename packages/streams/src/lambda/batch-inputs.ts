import { type InRecord, type KafkaAdmin, KafkaError, type PartitionReader, type ReadBatch } from '@millrace/kafka';
import { InputQueues } from '../runtime/input-queues.ts';
import type { EventPartition } from './kafka-event.ts';

/** How long a record whose transaction is still open is waited for; then Lambda is to deliver it again. */
const UNDECIDED_MS_MAX = 2_000;
const POLL_WAIT_MS = 50;

/** What Lambda has delivered of one partition and is not done yet. */
interface Delivered {
  readonly byOffset: ReadonlyMap<number, InRecord>;
  readonly first: number;
  readonly last: number;
}

export interface BatchInputsOptions {
  readonly partition: number;
  /** All inputs of the processor. */
  readonly topics: readonly string[];
  /** Partitions of the event that are inputs of this task. */
  readonly delivered: readonly EventPartition[];
  /** What is committed: the offset that is next, -1 when there is none. */
  readonly nextOffset: (topic: string) => number;
  readonly reader: PartitionReader;
  readonly admin: KafkaAdmin;
}

/** The records that one invocation has for a task, in the order in which they are to be processed. */
export interface BatchInputs {
  /** The next record; `undefined` when none is certain to be next, until `read` has found more. */
  take(): InRecord | undefined;
  /** Reads on. `false` when nothing that could be read would bring the batch forward. */
  read(): Promise<boolean>;
  /** The broker says that what Lambda delivered under this offset is no committed record: there is nothing to do for it. */
  isDismissed(topic: string, offset: number): boolean;
}

/** Takes the event at its word, and reads nothing beside it. */
export function trustedInputs({ topics, delivered, nextOffset }: BatchInputsOptions): BatchInputs {
  const queues = new InputQueues(topics);
  for (const topic of topics) {
    const records = delivered
      .filter((part) => part.topic === topic)
      .flatMap((part) => part.records.filter(({ offset }) => offset >= nextOffset(topic)));
    const end = (records.at(-1)?.offset ?? -1) + 1;
    queues.push({ topic, partition: 0, records, nextOffset: end, endOffset: end });
  }
  return { take: () => queues.take(), read: async () => false, isDismissed: () => false };
}

/**
 * Asks the broker about what Lambda has delivered, and for what else the task needs.
 *
 * 1. Which of it is committed: nowhere does Lambda say that its poller reads committed records only, and what an aborted
 *    transaction has left behind never happened. A record of an open transaction is waited for.
 * 2. The other inputs of the processor, from where they are committed: a join sees its sides in the order of event time,
 *    as it does in the runtime, whichever of them Lambda delivers. They are read as far as the delivered records go in
 *    time, and to their ends when the delivered ones have reached theirs.
 */
export function confirmedInputs(options: BatchInputsOptions): BatchInputs {
  const { partition, topics, reader, admin, nextOffset } = options;
  const queues = new InputQueues(topics);
  const delivered = new Map(
    options.delivered.flatMap((part) => {
      const list = part.records.filter(({ offset }) => offset >= nextOffset(part.topic));
      const [first, last] = [list[0], list.at(-1)];
      if (first === undefined || last === undefined) return [];
      const byOffset = new Map(list.map((record) => [record.offset, record]));
      return [[part.topic, { byOffset, first: first.offset, last: last.offset }] as const];
    }),
  );
  /** Inputs of which there may be more to read. */
  const open = new Set(topics);
  const dismissed = new Set<string>();
  let undecidedUntilMs: number | undefined;

  const assign = (topic: string, from: number | 'start') => reader.assign([{ topic, partition, offset: from }]);
  reader.unassign(topics.map((topic) => ({ topic, partition })));
  for (const topic of topics) {
    const next = nextOffset(topic);
    assign(topic, delivered.get(topic)?.first ?? (next < 0 ? 'start' : next));
  }

  const takeDelivered = ({ byOffset, last }: Delivered, batch: ReadBatch): void => {
    const { topic, records, nextOffset: read, endOffset } = batch;
    const found = records.filter(({ offset }) => byOffset.has(offset));
    const offsets = new Set(found.map(({ offset }) => offset));
    const from = queues.doneBefore(topic) ?? 0;
    for (const offset of byOffset.keys())
      if (offset >= from && offset < read && !offsets.has(offset)) dismissed.add(positionOf(topic, offset));
    const complete = read > last;
    // Behind the last delivered record nothing is taken, but it is known whether there is more.
    const hasMore = read < endOffset || records.some(({ offset }) => offset > last);
    const next = complete && hasMore ? last + 1 : read;
    queues.push({ topic, partition, records: found, nextOffset: next, endOffset: complete ? endOffset : next + 1 });
    if (complete) close(topic);
    else if (read >= endOffset) undecidedUntilMs ??= performance.now() + UNDECIDED_MS_MAX;
  };
  const close = (topic: string) => {
    open.delete(topic);
    reader.unassign([{ topic, partition }]);
  };
  const waiting = () => topics.filter((topic) => open.has(topic) && queues.lengthOf(topic) === 0);
  /** A delivered input that is read as far as it goes and has more behind it: what comes next is for the next batch. */
  const isBlocked = () =>
    topics.some(
      (topic) => delivered.has(topic) && !open.has(topic) && queues.lengthOf(topic) === 0 && queues.lagOf(topic) > 0,
    );

  const read = async (): Promise<boolean> => {
    if (isBlocked()) return false;
    const wanted = new Set(waiting());
    if (wanted.size === 0) return false;
    if (undecidedUntilMs !== undefined && performance.now() > undecidedUntilMs) return false;
    for (const topic of open) (wanted.has(topic) ? reader.resume : reader.pause).call(reader, [{ topic, partition }]);
    let batches: ReadBatch[];
    try {
      batches = await reader.poll({ maxWaitMs: undecidedUntilMs === undefined ? 0 : POLL_WAIT_MS });
    } catch (error) {
      if (!(error instanceof KafkaError) || error.code !== 'offset-out-of-range') throw error;
      if (!(await takeExpired())) throw error;
      return true;
    }
    for (const batch of batches) {
      const expected = delivered.get(batch.topic);
      if (expected !== undefined) takeDelivered(expected, batch);
      else {
        queues.push(batch);
        if (batch.nextOffset >= batch.endOffset) close(batch.topic);
      }
    }
    return true;
  };

  /** Retention was faster than Lambda: what the event alone still has is taken from there. `false` when that is nothing. */
  const takeExpired = async (): Promise<boolean> => {
    let some = false;
    for (const [topic, { byOffset, last }] of delivered) {
      if (!open.has(topic)) continue;
      const start = (await admin.offsets(topic)).find((range) => range.partition === partition)?.start ?? 0;
      const from = queues.doneBefore(topic) ?? 0;
      const records = [...byOffset.values()].filter(({ offset }) => offset >= from && offset < start);
      if (records.length === 0) continue;
      some = true;
      queues.push({ topic, partition, records, nextOffset: start, endOffset: last + 1 });
      if (start > last) close(topic);
      else assign(topic, start);
    }
    return some;
  };

  return { take: () => queues.take(), read, isDismissed: (topic, offset) => dismissed.has(positionOf(topic, offset)) };
}

const positionOf = (topic: string, offset: number): string => `${topic}@${offset}`;
