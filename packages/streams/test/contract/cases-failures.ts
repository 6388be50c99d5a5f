// What happens to a record that cannot be read, processed or written, and to those around it.
import assert from 'node:assert/strict';
import { defineProcessor, defineTopology, keyValueStore } from '../../src/index.ts';
import { type ContractCase, STARTED_AT_MS } from './harness.ts';
import { entry, entryTopic, type Note, noteOf, noteTopic, numbers, says } from './topics.ts';

/** In what way the processor below fails, by the amount of an entry. */
const FAILS = { beforeTheStore: -1, afterTheStore: -2, whileItWrites: -3, codedError: -4 } as const;
const LONGER_THAN_A_RECORD = 950 * 1024;

/** Emits a first note, adds to a sum, emits the sum: and fails at a place of the entry's choice. */
function createSum(prefix: string, onError: 'dead-letter' | 'stop' = 'dead-letter', entriesMax = 1_000) {
  const entries = entryTopic(`${prefix}entries`);
  const notes = noteTopic(`${prefix}notes`);
  const sum = defineProcessor({
    name: 'sum',
    inputs: { entry: entries },
    stores: { sums: numbers({ entriesMax }) },
    outputs: { note: notes },
    graceMs: 0,
    onError,
    process: {
      entry: (value, { stores, emit }) => {
        emit('note', noteOf(value, 'before'));
        if (value.amount === FAILS.beforeTheStore) throw new Error('no amount below zero');
        if (value.amount === FAILS.codedError) throw Object.assign(new Error('closed'), { code: 'account-closed' });
        if (value.amount === FAILS.whileItWrites) emit('note', noteOf(value, 'x'.repeat(LONGER_THAN_A_RECORD)));
        const total = (stores.sums.get(value.account) ?? 0) + value.amount;
        stores.sums.put(value.account, total);
        if (value.amount === FAILS.afterTheStore) throw new Error('half done');
        emit('note', noteOf(value, total));
      },
    },
  });
  return { topology: defineTopology({ applicationId: `${prefix}sum`, processors: [sum] }), entries, notes };
}

/** The sums around a failure: as if the record had not been there. */
const failsAt = (name: string, amount: number, reason: string, message: RegExp): ContractCase => ({
  name,
  run: async ({ prefix, open }) => {
    const { topology, entries, notes } = createSum(prefix);
    const harness = await open(topology);
    await harness.pipe(entries.name, entry('e1', 'a', 5, 1_000), entry('e2', 'b', 1, 1_500));
    assert.deepEqual(says(await harness.output<Note>(notes.name)), ['before', 5, 'before', 1]);
    await harness.pipe(
      entries.name,
      entry('e3', 'a', 6, 2_000),
      entry('e4', 'a', amount, 3_000),
      entry('e5', 'a', 7, 4_000),
      entry('e6', 'b', 2, 5_000),
      entry('e7', 'b', amount, 6_000),
    );
    assert.deepEqual(says(await harness.output<Note>(notes.name)), ['before', 11, 'before', 18, 'before', 3]);
    const letters = await harness.letters();
    assert.deepEqual(
      letters.map(({ stage, reason: why, key, origin, value_base64 }) => [
        stage,
        why,
        key,
        origin,
        JSON.parse(Buffer.from(value_base64, 'base64').toString('utf8')).id,
      ]),
      [
        ['sum', reason, 'a', { kind: 'kafka', topic: entries.name, partition: 0, offset: 3 }, 'e4'],
        ['sum', reason, 'b', { kind: 'kafka', topic: entries.name, partition: 0, offset: 6 }, 'e7'],
      ],
    );
    for (const letter of letters) assert.match(letter.message, message);

    // A failure that was passed by is passed by for good.
    await harness.restart();
    await harness.pipe(entries.name, entry('e8', 'a', 1, 7_000));
    assert.deepEqual(says(await harness.output<Note>(notes.name)), ['before', 19]);
    assert.deepEqual(await harness.letters(), []);
  },
});

export const FAILURE_CASES: readonly ContractCase[] = [
  failsAt(
    'a processor that throws before it changed a store: what it emitted is dropped, the record put aside',
    FAILS.beforeTheStore,
    'processor-error',
    /no amount below zero/,
  ),
  failsAt(
    'a processor that throws after it changed a store leaves no trace of the record but a letter',
    FAILS.afterTheStore,
    'processor-error',
    /half done/,
  ),
  failsAt('an error that has a code gives the letter its reason', FAILS.codedError, 'account-closed', /closed/),
  failsAt(
    'a record too large to be written is the fault of the one it came from',
    FAILS.whileItWrites,
    'record-too-large',
    /notes; the limit is 921600/,
  ),
  {
    name: 'a record that cannot be read becomes a letter with its bytes, key, headers and place; the stream goes on',
    run: async ({ prefix, open }) => {
      const { topology, entries, notes } = createSum(prefix);
      const harness = await open(topology);
      await harness.passTime(77);
      await harness.pipe(
        entries.name,
        entry('e1', 'a', 5, 1_000),
        { value: Buffer.from('{"not":'), key: 'k', timestampMs: 2_000, headers: { traceparent: 'x', other: 'y' } },
        { value: Buffer.from('{"amount":"five"}'), key: 'k', timestampMs: 9_000_000 },
        { value: Buffer.from([0xff, 0x00, 0xfe]), key: '', timestampMs: 2_000 },
        entry('e2', 'a', 7, 2_000),
      );
      assert.deepEqual(says(await harness.output<Note>(notes.name)), ['before', 5, 'before', 12]);
      const letters = await harness.letters();
      assert.deepEqual(
        letters.map(({ message, ...letter }) => letter),
        [
          { bytes: '{"not":', key: 'k', offset: 1, headers: { traceparent: 'x', other: 'y' } },
          { bytes: '{"amount":"five"}', key: 'k', offset: 2, headers: {} },
          { bytes: Buffer.from([0xff, 0x00, 0xfe]), key: '', offset: 3, headers: {} },
        ].map(({ bytes, key, offset, headers }) => ({
          id: `${entries.name}:0:${offset}`,
          origin: { kind: 'kafka', topic: entries.name, partition: 0, offset },
          stage: 'sum',
          reason: 'undecodable',
          value_base64: Buffer.from(bytes).toString('base64'),
          key,
          headers,
          failed_at: STARTED_AT_MS + 77,
        })),
      );
      assert.match(letters[1]?.message ?? '', /not a record of .*entries/);
    },
  },
  {
    name: 'a record that cannot be read does not move time',
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
        { value: Buffer.from('?'), key: 'a', timestampMs: 9_000_000 },
        entry('e1', 'a', 1, 1_000),
      );
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [1_000]);
    },
  },
  {
    name: 'what a processor does when time moves stands, although the record that moved it fails',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const notes = noteTopic(`${prefix}notes`);
      const tick = defineProcessor({
        name: 'tick',
        inputs: { entry: entries },
        stores: { waiting: numbers() },
        outputs: { note: notes },
        graceMs: 0,
        onError: 'dead-letter',
        process: {
          entry: (value, { stores }) => {
            if (value.amount < 0) throw new Error('no amount below zero');
            stores.waiting.put(value.account, value.amount);
          },
        },
        // Emits what waited, once: a window that closes.
        onStreamTime: (streamTimeMs, { stores, emit }) => {
          for (const [account, amount] of [...stores.waiting.entries()]) {
            emit('note', { id: 'tick', account, atMs: streamTimeMs, says: amount });
            stores.waiting.delete(account);
          }
        },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}tick`, processors: [tick] }));
      await harness.pipe(
        entries.name,
        entry('e1', 'a', 5, 1_000),
        entry('e2', 'a', -1, 2_000),
        entry('e3', 'b', 7, 3_000),
        entry('e4', 'c', 9, 4_000),
      );
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [5, 7]);
      assert.deepEqual(
        (await harness.letters()).map(({ origin }) => origin.offset),
        [1],
      );
    },
  },
  {
    name: 'a processor that says stop ends the application at its first error, which names the record',
    run: async ({ prefix, open }) => {
      const { topology, entries } = createSum(prefix, 'stop');
      const harness = await open(topology);
      await harness.pipe(
        entries.name,
        entry('e1', 'a', 5, 1_000),
        entry('e2', 'a', FAILS.beforeTheStore, 2_000),
        entry('e3', 'a', 7, 3_000),
      );
      const failure = await harness.failure();
      assert.equal((failure as Error & { code?: string }).code, 'processor-failed');
      assert.match(failure.message, /sum failed on .*entries-0@1: no amount below zero/);
    },
  },
  {
    name: 'a store at its limit ends the application and says what would help, since the next record would not fit either',
    run: async ({ prefix, open }) => {
      const { topology, entries } = createSum(prefix, 'dead-letter', 2);
      const harness = await open(topology);
      await harness.pipe(
        entries.name,
        entry('e1', 'a', 1, 1_000),
        entry('e2', 'b', 2, 2_000),
        entry('e3', 'a', 3, 3_000),
        entry('e4', 'c', 4, 4_000),
      );
      const failure = await harness.failure();
      assert.equal((failure as Error & { code?: string }).code, 'processor-failed');
      assert.match(failure.message, /entries-0@3: store sum\.sums holds 2 entries, its limit: raise entriesMax/);
      assert.equal((failure.cause as Error & { code?: string }).code, 'store-full');
    },
  },
  {
    name: 'a processor that says stop ends the application at a record that cannot be read, too',
    run: async ({ prefix, open }) => {
      const { topology, entries } = createSum(prefix, 'stop');
      const harness = await open(topology);
      await harness.pipe(
        entries.name,
        entry('e1', 'a', 5, 1_000),
        { value: Buffer.from('{"not":'), key: 'k', timestampMs: 2_000 },
        entry('e2', 'a', 7, 3_000),
      );
      const failure = await harness.failure();
      assert.equal((failure as Error & { code?: string }).code, 'processor-failed');
      assert.match(failure.message, /sum cannot read .*entries-0@1/);
    },
  },
  {
    name: 'an error in what a processor does when time moves is no record’s fault, and ends the application',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const tick = defineProcessor({
        name: 'tick',
        inputs: { entry: entries },
        outputs: {},
        graceMs: 0,
        onError: 'dead-letter',
        process: { entry: () => undefined },
        onStreamTime: (streamTimeMs) => {
          if (streamTimeMs === 2_000) throw new Error('two is too many');
        },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}tick`, processors: [tick] }));
      await harness.pipe(
        entries.name,
        entry('e1', 'a', 1, 1_000),
        entry('e2', 'a', 1, 2_000),
        entry('e3', 'a', 1, 3_000),
      );
      const failure = await harness.failure();
      assert.equal((failure as Error & { code?: string }).code, 'processor-failed');
      assert.match(failure.message, /tick failed when stream time moved on to 2000: two is too many/);
    },
  },
  {
    name: 'a value that no changelog takes ends the application, and names the store and the key',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const hoard = defineProcessor({
        name: 'hoard',
        inputs: { entry: entries },
        stores: {
          hoards: keyValueStore<string>({
            encode: (value) => value,
            decode: (bytes) => bytes.toString('utf8'),
            entriesMax: 10,
          }),
        },
        outputs: {},
        graceMs: 0,
        onError: 'dead-letter',
        process: {
          entry: ({ account, amount }, { stores }) => stores.hoards.put(account, 'x'.repeat(amount)),
        },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}hoard`, processors: [hoard] }));
      await harness.pipe(entries.name, entry('e1', 'a', 5, 1_000), entry('e2', 'greedy', LONGER_THAN_A_RECORD, 2_000));
      const failure = await harness.failure();
      assert.equal((failure as Error & { code?: string }).code, 'record-too-large');
      assert.match(failure.message, /store hoard\.hoards has 972800 bytes under key "greedy"/);
    },
  },
];
