import type { InRecord } from '@millrace/kafka';
import { toEvent } from '@millrace/lambda';
import { createLogger, createMetrics } from '@millrace/observability';
import {
  createKafkaEventHandler,
  defineProcessor,
  defineTopology,
  type InvocationContext,
  type KafkaBatchAnswer,
  type KafkaEventHandler,
  type KafkaEventHandlerOptions,
  keyValueStore,
  type Topic,
} from '../../src/index.ts';
import { deadLetterTopic } from '../support/dead-letter-topic.ts';
import { MemoryKafka } from '../support/memory-kafka.ts';

export const NOW_MS = 1_700_000_000_000;

/** What an entry does, by its amount; others are added up. */
export const FAILS = { beforeTheStore: -1, afterTheStore: -2 } as const;

export interface Entry {
  readonly id: string;
  readonly account: string;
  readonly amount: number;
  readonly atMs: number;
}

/** An entry, and what its account has come to with it. */
export interface Total extends Entry {
  readonly count: number;
  readonly sum: number;
}

const topicOf = <T extends Entry>(name: string): Topic<T> => ({
  name,
  schema: `${name}.v1`,
  encode: (value) => JSON.stringify(value),
  decode: (bytes) => {
    const value = JSON.parse(Buffer.from(bytes).toString('utf8')) as T;
    if (typeof value.account !== 'string') throw new Error('not an entry');
    return value;
  },
  key: ({ account }) => account,
  timestampMs: ({ atMs }) => atMs,
  eventId: ({ id }) => id,
});

export const ENTRIES = topicOf<Entry>('entries');
export const RATES = topicOf<Entry>('rates');
export const TOTALS = topicOf<Total>('totals');
export const LETTERS = deadLetterTopic('');
export const TOO_OLD = { ...deadLetterTopic(''), name: 'too-old' };
export const APPLICATION = 'sum';

/** Adds up the entries of each account, from two topics; with `stop` a failure is not for the processor to pass by. */
export function createSum(onError: 'dead-letter' | 'stop' = 'dead-letter', onEntry?: (entry: Entry) => void) {
  const sum = defineProcessor({
    name: 'sum',
    inputs: { entry: ENTRIES },
    stores: {
      totals: keyValueStore<{ count: number; sum: number }>({
        encode: (value) => JSON.stringify(value),
        decode: (bytes) => JSON.parse(bytes.toString('utf8')) as { count: number; sum: number },
        entriesMax: 1_000,
      }),
    },
    outputs: { total: TOTALS },
    graceMs: 0,
    onError,
    process: {
      entry: (entry, { stores, emit }) => {
        onEntry?.(entry);
        if (entry.amount === FAILS.beforeTheStore) throw new Error('no amount below zero');
        const before = stores.totals.get(entry.account) ?? { count: 0, sum: 0 };
        const total = { count: before.count + 1, sum: before.sum + entry.amount };
        stores.totals.put(entry.account, total);
        if (entry.amount === FAILS.afterTheStore) throw new Error('half done');
        emit('total', { ...entry, ...total });
      },
    },
  });
  return defineTopology({ applicationId: APPLICATION, processors: [sum] });
}

export interface World {
  readonly kafka: MemoryKafka;
  /** Wall clock, epoch milliseconds. */
  nowMs: number;
  /** A new execution environment. */
  environment(options?: Partial<KafkaEventHandlerOptions>): KafkaEventHandler;
}

export function createWorld(partitions: number, options: Partial<KafkaEventHandlerOptions> = {}): World {
  const kafka = new MemoryKafka();
  for (const { name } of [ENTRIES, RATES, TOTALS]) kafka.createTopic(name, partitions);
  for (const { name } of [LETTERS, TOO_OLD]) kafka.createTopic(name, 1);
  const world: World = {
    kafka,
    nowMs: NOW_MS,
    environment: (own) =>
      createKafkaEventHandler({
        topology: createSum(),
        kafka,
        metrics: createMetrics('test'),
        logger: createLogger({ service: 'test', level: 'silent' }),
        deadLetters: LETTERS,
        onFailure: TOO_OLD,
        now: () => world.nowMs,
        ...options,
        ...own,
      }),
  };
  return world;
}

/** Writes an entry to a partition, and says where it lies. */
export function write(kafka: MemoryKafka, entry: Entry, partition = 0, as?: 'done' | 'open' | 'aborted'): number {
  const record = { key: entry.account, value: JSON.stringify(entry), timestampMs: entry.atMs };
  return kafka.append(ENTRIES.name, partition, record, as);
}

/** An event with the records of these partitions, as AWS makes it. */
export function eventOf(...records: readonly (readonly InRecord[])[]): unknown {
  const named = records.flatMap((list) => {
    const [first] = list;
    return first === undefined ? [] : [[`${first.topic}-${first.partition}`, list] as const];
  });
  return toEvent('self-managed', new Map(named));
}

/** The context of an invocation with so much time, which passes when the test says so. */
export function contextOf(remainingMs = 30_000): InvocationContext & { remainingMs: number } {
  return {
    remainingMs,
    getRemainingTimeInMillis() {
      return this.remainingMs;
    },
  };
}

export const failuresIn = ({ batchItemFailures }: KafkaBatchAnswer): [string, number][] =>
  batchItemFailures.map(({ itemIdentifier: { partition, offset } }) => [partition, offset]);

export const totalsIn = (kafka: MemoryKafka): Total[] =>
  kafka.recordsOf(TOTALS.name).map(({ value }) => TOTALS.decode(value ?? Buffer.alloc(0)));

export const lettersIn = (kafka: MemoryKafka, topic = LETTERS) =>
  kafka.recordsOf(topic.name).map(({ value }) => topic.decode(value ?? Buffer.alloc(0)));

export const idsIn = (letters: ReturnType<typeof lettersIn>): string[] =>
  letters.map(({ value_base64 }) => JSON.parse(Buffer.from(value_base64, 'base64').toString('utf8')).id);
