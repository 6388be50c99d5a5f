// What is remembered, for how long, and that it outlives the process.
import assert from 'node:assert/strict';
import { defineProcessor, defineTopology, slidingWindowStore } from '../../src/index.ts';
import type { ContractCase } from './harness.ts';
import { entry, entryTopic, type Note, noteOf, noteTopic, numbers, says } from './topics.ts';

const TTL_MS = 1_000;

export const STATE_CASES: readonly ContractCase[] = [
  {
    name: 'a restart keeps the stores, what was deleted from them, and stream time',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const notes = noteTopic(`${prefix}notes`);
      const remember = defineProcessor({
        name: 'remember',
        inputs: { entry: entries },
        stores: { sums: numbers(), others: numbers() },
        outputs: { note: notes },
        graceMs: 100,
        onError: 'dead-letter',
        process: {
          entry: (value, { stores, emit, record, streamTimeMs }) => {
            const sum = (stores.sums.get(value.account) ?? 0) + value.amount;
            if (sum === 0) stores.sums.delete(value.account);
            else stores.sums.put(value.account, sum);
            stores.others.put(value.id, sum);
            emit('note', noteOf(value, [sum, stores.sums.size, stores.others.size, streamTimeMs, record.late]));
          },
        },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}remember`, processors: [remember] }));
      await harness.pipe(
        entries.name,
        entry('e1', 'a', 5, 1_000),
        entry('e2', 'b', 7, 5_000),
        entry('e3', 'a', -5, 4_950),
      );
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [
        [5, 1, 1, 1_000, false],
        [7, 2, 2, 5_000, false],
        [0, 1, 3, 5_000, false],
      ]);
      await harness.restart();
      await harness.pipe(entries.name, entry('e4', 'a', 1, 4_899), entry('e5', 'b', 2, 4_900));
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [
        [1, 2, 4, 5_000, true],
        [9, 2, 5, 5_000, false],
      ]);
      await harness.restart();
      await harness.restart();
      await harness.pipe(entries.name, entry('e6', 'b', 1, 6_000));
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [[10, 2, 6, 6_000, false]]);
    },
  },
  {
    name: 'a sliding window remembers through a restart, and forgets as time goes on',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const notes = noteTopic(`${prefix}notes`);
      const slide = defineProcessor({
        name: 'slide',
        inputs: { entry: entries },
        stores: {
          last: slidingWindowStore({
            fields: ['amount'],
            sums: ['amount'],
            retentionMs: 1_000,
            eventsPerKeyMax: 100,
            keysMax: 100,
          }),
        },
        outputs: { note: notes },
        graceMs: 0,
        onError: 'dead-letter',
        process: {
          entry: (value, { stores, emit }) => {
            const window = stores.last.window(value.account);
            window.add(value.atMs, { amount: value.amount });
            emit('note', noteOf(value, [window.count(1_000, value.atMs), window.sum('amount', 1_000, value.atMs)]));
          },
        },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}slide`, processors: [slide] }));
      await harness.pipe(
        entries.name,
        entry('e1', 'a', 1, 10_000),
        entry('e2', 'a', 2, 10_400),
        entry('e3', 'b', 4, 10_500),
        entry('e4', 'a', 8, 10_900),
      );
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [
        [1, 1],
        [2, 3],
        [1, 4],
        [3, 11],
      ]);
      await harness.restart();
      // A window of a second ends with its event and begins behind the event a second before.
      await harness.pipe(
        entries.name,
        entry('e5', 'a', 16, 10_999),
        entry('e6', 'a', 32, 11_000),
        entry('e7', 'a', 64, 11_401),
        entry('e8', 'b', 128, 12_500),
      );
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [
        [4, 27],
        [4, 58],
        [4, 120],
        [1, 128],
      ]);
    },
  },
  {
    name: 'an entry with a time to live expires with stream time, also across a restart, unless it is put again',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const notes = noteTopic(`${prefix}notes`);
      const expire = defineProcessor({
        name: 'expire',
        inputs: { entry: entries },
        stores: { recent: numbers({ ttlMs: TTL_MS }) },
        outputs: { note: notes },
        graceMs: 0,
        onError: 'dead-letter',
        process: {
          entry: (value, { stores, emit }) => {
            emit('note', noteOf(value, Object.fromEntries([...stores.recent.entries()].sort())));
            if (value.amount > 0) stores.recent.put(value.account, value.amount);
          },
        },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}expire`, processors: [expire] }));
      await harness.pipe(
        entries.name,
        entry('e1', 'a', 1, 10_000),
        entry('e2', 'b', 2, 10_100),
        entry('e3', 'a', 3, 10_500), // again
        entry('e4', 'c', 0, 11_099),
      );
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [{}, { a: 1 }, { a: 1, b: 2 }, { a: 3, b: 2 }]);
      await harness.restart();
      await harness.pipe(
        entries.name,
        entry('e5', 'c', 0, 11_099),
        entry('e6', 'c', 0, 11_100), // b was put a second before
        entry('e7', 'd', 4, 11_200),
        entry('e8', 'c', 0, 11_500),
      );
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [{ a: 3, b: 2 }, { a: 3 }, { a: 3 }, { d: 4 }]);
      await harness.restart();
      await harness.pipe(entries.name, entry('e9', 'c', 0, 12_199), entry('e10', 'c', 0, 12_200));
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [{ d: 4 }, {}]);
    },
  },
  {
    name: 'a person can look into a store, by key',
    partitions: 2,
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const keep = defineProcessor({
        name: 'keep',
        inputs: { entry: entries },
        stores: { sums: numbers() },
        outputs: {},
        graceMs: 0,
        onError: 'dead-letter',
        process: {
          entry: ({ account, amount }, { stores }) => {
            if (amount === 0) stores.sums.delete(account);
            else stores.sums.put(account, (stores.sums.get(account) ?? 0) + amount);
          },
        },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}keep`, processors: [keep] }));
      const names = ['a', 'b', 'c/d', 'e%20 f', 'ü'];
      await harness.pipe(entries.name, ...names.map((name, i) => entry(`e${i}`, name, i + 1, 1_000)));
      await harness.pipe(entries.name, entry('e5', 'b', 10, 1_000), entry('e6', 'a', 0, 1_000));
      const look = () => Promise.all([...names, 'nobody'].map((name) => harness.look('keep', 'sums', name)));
      assert.deepEqual(await look(), [undefined, 12, 3, 4, 5, undefined]);
      await harness.restart();
      await harness.pipe(entries.name, entry('e7', 'b', 1, 1_000));
      assert.equal(await harness.look('keep', 'sums', 'b'), 13);
    },
  },
];
