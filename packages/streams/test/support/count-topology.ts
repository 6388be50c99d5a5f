import { defineProcessor, defineTopology, keyValueStore, slidingWindowStore } from '../../src/index.ts';
import { checkedTopic } from './checked-topic.ts';

/** A payment as small as can be, for tests of the runtime: what is counted is known to the test from the input alone. */
export interface Entry {
  readonly id: string;
  readonly account: string;
  readonly amount: number;
  readonly atMs: number;
}

/** What the processor says after each entry: how many there have been, their sum, and both over the last minute. */
export interface Running extends Entry {
  readonly count: number;
  readonly sum: number;
  readonly minuteCount: number;
  readonly minuteSum: number;
}

export const MINUTE_MS = 60_000;

/** Counts entries per account, in a topology of two processors, so that one feeds the other through a topic. */
export function createCountTopology(prefix: string) {
  const entryOf = {
    key: ({ account }: Entry) => account,
    timestampMs: ({ atMs }: Entry) => atMs,
    eventId: ({ id }: Entry) => id,
  };
  const entries = checkedTopic<Entry>(`${prefix}entries`, entryOf, (value) => typeof value.account === 'string');
  const counted = checkedTopic<Running>(`${prefix}counted`, entryOf, (value) => typeof value.count === 'number');
  const published = checkedTopic<Running>(`${prefix}published`, entryOf, (value) => typeof value.count === 'number');

  const count = defineProcessor({
    name: 'count',
    inputs: { entry: entries },
    stores: {
      totals: keyValueStore<{ count: number; sum: number }>({
        encode: (value) => JSON.stringify(value),
        decode: (bytes) => JSON.parse(bytes.toString('utf8')) as { count: number; sum: number },
        entriesMax: 100_000,
      }),
      minute: slidingWindowStore({
        fields: ['amount'],
        sums: ['amount'],
        retentionMs: MINUTE_MS,
        eventsPerKeyMax: 10_000,
        keysMax: 100_000,
      }),
    },
    outputs: { counted },
    graceMs: MINUTE_MS,
    onError: 'dead-letter',
    process: {
      entry: (entry, { stores, emit }) => {
        const total = stores.totals.get(entry.account) ?? { count: 0, sum: 0 };
        total.count += 1;
        total.sum += entry.amount;
        stores.totals.put(entry.account, total);
        const minute = stores.minute.window(entry.account);
        minute.add(entry.atMs, { amount: entry.amount });
        // After the stores have changed: only a rebuild puts them right.
        if (entry.amount === 666) throw new Error('an amount that this processor cannot bear');
        emit('counted', {
          ...entry,
          ...total,
          minuteCount: minute.count(MINUTE_MS, entry.atMs),
          minuteSum: minute.sum('amount', MINUTE_MS, entry.atMs),
        });
      },
    },
  });
  const publish = defineProcessor({
    name: 'publish',
    inputs: { counted },
    outputs: { published },
    graceMs: 0,
    onError: 'dead-letter',
    process: { counted: (value, { emit }) => emit('published', value) },
  });
  return {
    topology: defineTopology({ applicationId: `${prefix}count`, processors: [count, publish] }),
    entries,
    counted,
    published,
  };
}
