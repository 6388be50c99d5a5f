// What comes out for what goes in: order, keys, headers, tombstones, topics between processors.
import assert from 'node:assert/strict';
import { defineProcessor, defineTopology } from '../../src/index.ts';
import type { ContractCase } from './harness.ts';
import { type Entry, entry, entryTopic, type Note, noteOf, noteTopic, numbers, says } from './topics.ts';

/** A key of the store's own: its changelog lies with its task all the same, not where a partitioner would put it. */
const nameOf = (account: string): string => `count of ${account}`;

/** Says of every entry how many its account has had. */
function createCount(prefix: string) {
  const entries = entryTopic(`${prefix}entries`);
  const notes = noteTopic(`${prefix}notes`);
  const count = defineProcessor({
    name: 'count',
    inputs: { entry: entries },
    stores: { counts: numbers() },
    outputs: { note: notes },
    graceMs: 0,
    onError: 'dead-letter',
    process: {
      entry: (value, { stores, emit }) => {
        const count = (stores.counts.get(nameOf(value.account)) ?? 0) + 1;
        stores.counts.put(nameOf(value.account), count);
        emit('note', noteOf(value, count));
      },
    },
    onTombstone: (_, account, { stores, emitTombstone }) => {
      stores.counts.delete(nameOf(account));
      emitTombstone('note', account);
    },
  });
  return { topology: defineTopology({ applicationId: `${prefix}count`, processors: [count] }), entries, notes };
}

export const RECORD_CASES: readonly ContractCase[] = [
  {
    name: 'the records of a key are processed in their order, whatever the partition, also across a restart',
    partitions: 3,
    run: async ({ prefix, open }) => {
      const { topology, entries, notes } = createCount(prefix);
      const harness = await open(topology);
      const input = Array.from({ length: 70 }, (_, i) => entry(`e${i}`, `account-${i % 7}`, 0, 1_000 + i));
      await harness.pipe(entries.name, ...input.slice(0, 20));
      await harness.pipe(entries.name, ...input.slice(20, 40));
      const output = await harness.output<Note>(notes.name);
      await harness.restart();
      await harness.pipe(entries.name, ...input.slice(40));
      output.push(...(await harness.output<Note>(notes.name)));
      assert.equal(output.length, 70);
      for (let account = 0; account < 7; account++) {
        assert.deepEqual(
          output.flatMap((note) => (note?.account === `account-${account}` ? [[note.id, note.says]] : [])),
          Array.from({ length: 10 }, (_, i) => [`e${i * 7 + account}`, i + 1]),
        );
      }
    },
  },
  {
    name: 'one record may become several, with keys and times of their own',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const notes = noteTopic(`${prefix}notes`);
      const split = defineProcessor({
        name: 'split',
        inputs: { entry: entries },
        outputs: { note: notes },
        graceMs: 0,
        onError: 'dead-letter',
        process: {
          entry: (value, { emit, record, nowMs }) => {
            emit('note', noteOf(value, 'plain'));
            emit('note', noteOf(value, 'moved'), { key: 'elsewhere', timestampMs: 7 });
            emit('note', noteOf(value, [record.key, record.offset, nowMs]), { timestampMs: 8 });
          },
        },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}split`, processors: [split] }));
      await harness.passTime(5);
      await harness.pipe(entries.name, entry('e1', 'a', 1, 1_000));
      assert.deepEqual(
        (await harness.records(notes.name)).map(({ key, timestampMs, value }) => [
          key,
          timestampMs,
          notes.decode(Buffer.from(value ?? '')).says,
        ]),
        [
          ['a', 1_000, 'plain'],
          ['elsewhere', 7, 'moved'],
          ['a', 8, ['a', 0, 1_700_000_000_005]],
        ],
      );
      assert.deepEqual(await harness.records(notes.name), [], 'output is taken once');
    },
  },
  {
    name: 'schema and id of a record are its own, trace context and time of acceptance those of its source',
    run: async ({ prefix, open }) => {
      const { topology, entries, notes } = createCount(prefix);
      const harness = await open(topology);
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
      await harness.pipe(
        entries.name,
        { ...entry('e1', 'a', 1, 1_000), headers: { traceparent, ingested_at: '1234', other: 'x' } },
        entry('e2', 'a', 1, 2_000),
      );
      const common = { schema: `${prefix}notes.v1` };
      assert.deepEqual(
        (await harness.records(notes.name)).map(({ headers }) => headers),
        [
          { ...common, event_id: 'e1', traceparent, ingested_at: '1234' },
          { ...common, event_id: 'e2', ingested_at: '2000' },
        ],
      );
    },
  },
  {
    name: 'a tombstone reaches the processor with its key, and one that it emits has no value',
    run: async ({ prefix, open }) => {
      const { topology, entries, notes } = createCount(prefix);
      const harness = await open(topology);
      await harness.pipe(
        entries.name,
        entry('e1', 'a', 1, 1_000),
        entry('e2', 'b', 1, 2_000),
        { value: null, key: 'a', timestampMs: 3_000 },
        entry('e3', 'a', 1, 4_000),
        entry('e4', 'b', 1, 5_000),
      );
      assert.deepEqual(
        (await harness.records(notes.name)).map(({ key, value, timestampMs }) => [
          key,
          value === null ? null : notes.decode(Buffer.from(value)).says,
          timestampMs,
        ]),
        [
          ['a', 1, 1_000],
          ['b', 1, 2_000],
          ['a', null, 3_000],
          ['a', 1, 4_000],
          ['b', 2, 5_000],
        ],
      );
    },
  },
  {
    name: 'a tombstone that a processor has no use for is dropped, and still moves stream time',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const notes = noteTopic(`${prefix}notes`);
      const tell = defineProcessor({
        name: 'tell',
        inputs: { entry: entries },
        outputs: { note: notes },
        graceMs: 0,
        onError: 'dead-letter',
        process: { entry: (value, { emit, streamTimeMs }) => emit('note', noteOf(value, streamTimeMs)) },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}tell`, processors: [tell] }));
      await harness.pipe(
        entries.name,
        { value: null, key: 'a', timestampMs: 3_000 },
        entry('e1', 'a', 1, 1_000),
        entry('e2', 'a', 1, 3_001),
      );
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [3_000, 3_001]);
      assert.deepEqual(await harness.letters(), []);
    },
  },
  {
    name: 'what one processor writes under another key the next one reads, in a topic between them',
    partitions: 2,
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const byAmount = entryTopic(`${prefix}by-amount`);
      const notes = noteTopic(`${prefix}notes`);
      const repartition = defineProcessor({
        name: 'repartition',
        inputs: { entry: entries },
        outputs: { byAmount },
        graceMs: 0,
        onError: 'dead-letter',
        process: {
          entry: (value, { emit }) => emit('byAmount', { ...value, account: `amount-${value.amount}` }),
        },
      });
      const count = defineProcessor({
        name: 'count',
        inputs: { entry: byAmount },
        stores: { counts: numbers() },
        outputs: { note: notes },
        graceMs: 0,
        onError: 'dead-letter',
        process: {
          entry: (value, { stores, emit }) => {
            const count = (stores.counts.get(value.account) ?? 0) + 1;
            stores.counts.put(value.account, count);
            emit('note', noteOf(value, count));
          },
        },
      });
      const harness = await open(
        defineTopology({ applicationId: `${prefix}repartition`, processors: [repartition, count] }),
      );
      const input = Array.from({ length: 40 }, (_, i) => entry(`e${i}`, `account-${i % 8}`, i % 3, 1_000 + i));
      await harness.pipe(entries.name, ...input);
      assert.deepEqual(
        (await harness.output<Entry>(byAmount.name)).map((value) => value?.id).sort(),
        input.map(({ value }) => value.id).sort(),
      );
      const output = await harness.output<Note>(notes.name);
      for (const [amount, total] of [14, 13, 13].entries()) {
        const counts = output.flatMap((note) => (note?.account === `amount-${amount}` ? [note.says] : []));
        assert.deepEqual(
          counts,
          Array.from({ length: total }, (_, i) => i + 1),
        );
      }
      assert.equal(output.length, 40);
    },
  },
  {
    name: 'a record that the processor itself puts aside keeps what was emitted before',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const notes = noteTopic(`${prefix}notes`);
      const refuse = defineProcessor({
        name: 'refuse',
        inputs: { entry: entries },
        outputs: { note: notes },
        graceMs: 0,
        onError: 'dead-letter',
        process: {
          entry: (value, { emit, deadLetter }) => {
            emit('note', noteOf(value, 'seen'));
            if (value.amount < 0) deadLetter('negative-amount', `${value.amount} is below zero`);
          },
        },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}refuse`, processors: [refuse] }));
      await harness.pipe(entries.name, entry('e1', 'a', -1, 1_000), entry('e2', 'a', 1, 2_000));
      assert.deepEqual(
        (await harness.output<Note>(notes.name)).map((note) => note?.id),
        ['e1', 'e2'],
      );
      assert.deepEqual(
        (await harness.letters()).map(({ reason, message, origin }) => [reason, message, origin.offset]),
        [['negative-amount', '-1 is below zero', 0]],
      );
    },
  },
];
