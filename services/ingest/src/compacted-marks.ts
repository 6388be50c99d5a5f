import { setTimeout as sleep } from 'node:timers/promises';
import type { TopicContract } from '@millrace/contracts';
import type { Kafka, PartitionReader } from '@millrace/kafka';
import { IngestError } from './errors.ts';

export interface MarksOptions<Mark> {
  readonly kafka: Pick<Kafka, 'reader'>;
  /** A compacted topic. */
  readonly contract: TopicContract<Mark>;
  /** Called for every mark that is read, in the order of each key; undefined: the key was forgotten (a tombstone). */
  readonly onMark: (key: string, mark: Mark | undefined) => void;
  /** Marks of other keys are passed over unread. Default: all are wanted. */
  readonly isWanted?: (key: string) => boolean;
}

export interface Marks {
  /**
   * Reads everything that was committed when this was called.
   * @throws {IngestError} `unavailable`
   */
  catchUp(): Promise<void>;
  close(): Promise<void>;
}

/** A transaction of somebody else that was left open is aborted by the broker within 20 s, and holds up readers until then. */
const CATCH_UP_MS_MAX = 25_000;
const POLL_MS = 50;
const RETRY_WAIT_MS = 100;
const PARTITION_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Follows a compacted topic of marks, for as long as its owner asks for it.
 *
 * A read-committed reader sees nothing behind a transaction that is still open, not even what was committed there long
 * ago. So the end up to which has to be read is asked for without regard to transactions, and waited for.
 */
export async function openMarks<Mark>(options: MarksOptions<Mark>): Promise<Marks> {
  const { kafka, contract } = options;
  const partitions = Array.from({ length: contract.partitions }, (_, partition) => ({
    topic: contract.name,
    partition,
  }));
  const opened: PartitionReader[] = [];
  const open = async (isolation: 'read_committed' | 'read_uncommitted', offset: 'start' | 'end') => {
    const reader = await kafka.reader({ isolation, partitionBytesMax: PARTITION_BYTES_MAX });
    opened.push(reader);
    reader.assign(partitions.map((partition) => ({ ...partition, offset })));
    return reader;
  };
  const close = async () => {
    await Promise.all(opened.map((reader) => reader.close()));
  };

  let reader: PartitionReader;
  let endReader: PartitionReader;
  try {
    reader = await open('read_committed', 'start');
    endReader = await open('read_uncommitted', 'end');
  } catch (cause) {
    await close();
    throw away(contract.name, cause);
  }

  function take(key: string, value: Buffer | null): void {
    if (options.isWanted?.(key) === false) return;
    options.onMark(key, value === null ? undefined : contract.decode(value));
  }

  async function ends(deadlineMs: number): Promise<Map<number, number>> {
    endReader.assign(partitions.map((partition) => ({ ...partition, offset: 'end' as const })));
    const found = new Map<number, number>();
    while (found.size < partitions.length) {
      const batches = await retried(() => endReader.poll({ maxWaitMs: 1 }), deadlineMs);
      for (const { partition, nextOffset } of batches) found.set(partition, nextOffset);
    }
    return found;
  }

  async function catchUp(): Promise<void> {
    const deadlineMs = performance.now() + CATCH_UP_MS_MAX;
    const missing = await ends(deadlineMs);
    const settle = () => {
      for (const [partition, end] of missing) {
        if ((reader.position({ topic: contract.name, partition }) ?? -1) >= end) missing.delete(partition);
      }
    };
    for (settle(); missing.size > 0; settle()) {
      if (performance.now() > deadlineMs) {
        throw new IngestError('unavailable', `${contract.name} cannot be read to its end: a transaction stays open.`);
      }
      for (const { records } of await retried(() => reader.poll({ maxWaitMs: POLL_MS }), deadlineMs)) {
        for (const { key, value } of records) take(key?.toString() ?? '', value);
      }
    }
  }

  async function retried<T>(work: () => Promise<T>, deadlineMs: number): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (cause) {
        const retriable = (cause as { retriable?: unknown }).retriable === true;
        if (!retriable || performance.now() > deadlineMs) throw away(contract.name, cause);
        await sleep(RETRY_WAIT_MS);
      }
    }
  }

  let tail: Promise<void> = Promise.resolve();
  return {
    catchUp() {
      // One after the other: they share the readers.
      const caughtUp = tail.then(catchUp);
      tail = Promise.allSettled([caughtUp]).then(() => undefined);
      return caughtUp;
    },
    close,
  };
}

function away(topic: string, cause: unknown): IngestError {
  return new IngestError('unavailable', `${topic} cannot be read.`, { cause });
}
