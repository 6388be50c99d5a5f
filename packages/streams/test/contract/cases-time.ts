// Event time: what is late, when time moves on, in which order inputs are taken, which version of a fact was true.
import assert from 'node:assert/strict';
import { defineProcessor, defineTopology } from '../../src/index.ts';
import type { ContractCase } from './harness.ts';
import { entry, entryTopic, fact, factTopic, type Note, noteOf, noteTopic, says } from './topics.ts';

const GRACE_MS = 50;
/** More than the runtime takes of a partition at once. */
const FETCHED_BYTES = 4 * 1024 * 1024;
const FETCHED_RECORDS = 80;

export const TIME_CASES: readonly ContractCase[] = [
  {
    name: 'a record further behind stream time than grace is late, and is processed all the same',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const notes = noteTopic(`${prefix}notes`);
      const tell = defineProcessor({
        name: 'tell',
        inputs: { entry: entries },
        outputs: { note: notes },
        graceMs: GRACE_MS,
        onError: 'dead-letter',
        process: {
          entry: (value, { emit, record, streamTimeMs }) => emit('note', noteOf(value, [record.late, streamTimeMs])),
        },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}tell`, processors: [tell] }));
      await harness.pipe(
        entries.name,
        ...[1_000, 950, 949, 1_001, 950, 951].map((atMs, i) => entry(`e${i}`, 'a', 1, atMs)),
      );
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [
        [false, 1_000],
        [false, 1_000],
        [true, 1_000],
        [false, 1_001],
        [true, 1_001],
        [false, 1_001],
      ]);
    },
  },
  {
    name: 'time moves before the record that moves it is processed, and never back',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const notes = noteTopic(`${prefix}notes`);
      const tick = defineProcessor({
        name: 'tick',
        inputs: { entry: entries },
        outputs: { note: notes },
        graceMs: 0,
        onError: 'dead-letter',
        process: { entry: (value, { emit }) => emit('note', noteOf(value, 'record')) },
        onStreamTime: (streamTimeMs, { emit, record }) =>
          emit('note', { id: 'tick', account: record.key, atMs: streamTimeMs, says: `time by ${record.key}` }),
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}tick`, processors: [tick] }));
      await harness.pipe(
        entries.name,
        entry('e1', 'a', 1, 1_000),
        entry('e2', 'b', 1, 999),
        entry('e3', 'c', 1, 1_000),
        entry('e4', 'd', 1, 1_001),
      );
      const told = async () => (await harness.output<Note>(notes.name)).map((note) => [note?.atMs, note?.says]);
      assert.deepEqual(await told(), [
        [1_000, 'time by a'],
        [1_000, 'record'],
        [999, 'record'],
        [1_000, 'record'],
        [1_001, 'time by d'],
        [1_001, 'record'],
      ]);
      await harness.restart();
      await harness.pipe(entries.name, entry('e5', 'e', 1, 1_001), entry('e6', 'f', 1, 1_002));
      assert.deepEqual(await told(), [
        [1_001, 'record'],
        [1_002, 'time by f'],
        [1_002, 'record'],
      ]);
    },
  },
  {
    name: 'what lies in several inputs is taken in the order of event times, and each input in its own',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const facts = factTopic(`${prefix}facts`);
      const notes = noteTopic(`${prefix}notes`);
      const both = defineProcessor({
        name: 'both',
        inputs: { entry: entries, fact: facts },
        outputs: { note: notes },
        graceMs: 0,
        onError: 'dead-letter',
        process: {
          entry: (value, { emit }) => emit('note', noteOf(value, value.id)),
          fact: ({ account, name, atMs }, { emit }) => emit('note', { id: name, account, atMs, says: name }),
        },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}both`, processors: [both] }));
      const inputs = (round: number) => ({
        [entries.name]: [1, 4, 3, 8, 9].map((atMs) => entry(`e${atMs}`, 'a', 1, round + atMs)),
        [facts.name]: [2, 5, 6, 4, 11].map((atMs) => fact('a', `f${atMs}`, round + atMs)),
      });
      // e3 stands behind e4, and f4 behind f6: an input keeps its order.
      const wanted = ['e1', 'f2', 'e4', 'e3', 'f5', 'f6', 'f4', 'e8', 'e9', 'f11'];
      await harness.pipeTogether(inputs(1_000));
      assert.deepEqual(says(await harness.output<Note>(notes.name)), wanted);
      await harness.pipeTogether(inputs(2_000));
      assert.deepEqual(says(await harness.output<Note>(notes.name)), wanted, 'also when it goes on');
    },
  },
  {
    name: 'the order among inputs holds also where one of them takes many fetches',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const facts = factTopic(`${prefix}facts`);
      const notes = noteTopic(`${prefix}notes`);
      const both = defineProcessor({
        name: 'both',
        inputs: { entry: entries, fact: facts },
        outputs: { note: notes },
        graceMs: 0,
        onError: 'dead-letter',
        process: {
          entry: (value, { emit }) => emit('note', noteOf(value, value.atMs)),
          fact: ({ account, atMs }, { emit }) => emit('note', { id: 'fact', account, atMs, says: atMs }),
        },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}both`, processors: [both] }));
      const times = (from: number, step: number, count: number) =>
        Array.from({ length: count }, (_, i) => from + i * step);
      await harness.pipeTogether({
        [entries.name]: times(1_000, 10, FETCHED_RECORDS).map((atMs) =>
          entry('e'.padEnd(Math.ceil(FETCHED_BYTES / FETCHED_RECORDS), '.'), 'a', 1, atMs),
        ),
        [facts.name]: times(1_005, 10, FETCHED_RECORDS).map((atMs) => fact('a', 'f', atMs)),
      });
      assert.deepEqual(says(await harness.output<Note>(notes.name)), times(1_000, 5, 2 * FETCHED_RECORDS));
    },
  },
  {
    name: 'a global table answers with what was true at a time, whatever the order in which it heard of it',
    partitions: 3,
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const facts = factTopic(`${prefix}facts`);
      const notes = noteTopic(`${prefix}notes`);
      const look = defineProcessor({
        name: 'look',
        inputs: { entry: entries },
        globals: { facts },
        outputs: { note: notes },
        graceMs: 1_000_000,
        onError: 'dead-letter',
        process: {
          entry: (value, { globals, emit }) => {
            const nameAt = (atMs?: number) => globals.facts.get(value.account, atMs)?.name ?? null;
            emit('note', noteOf(value, [nameAt(value.atMs), nameAt()]));
          },
        },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}look`, processors: [look] }));
      const seenBy = async (...times: number[]) => {
        await harness.pipe(entries.name, ...times.map((atMs) => entry(`at-${atMs}`, 'a', 1, atMs)));
        return says(await harness.output<Note>(notes.name));
      };
      assert.deepEqual(await seenBy(100), [[null, null]]);
      await harness.pipe(facts.name, fact('a', 'second', 2_000), fact('b', 'other', 1));
      await harness.pipe(facts.name, fact('a', 'first', 1_000));
      const known = [
        ['first', 'second'], // before the first version there was none to know
        ['first', 'second'],
        ['first', 'second'],
        ['second', 'second'],
      ];
      assert.deepEqual(await seenBy(999, 1_000, 1_999, 2_000), known);
      await harness.restart();
      assert.deepEqual(await seenBy(999, 1_000, 1_999, 2_000), known, 'and after a restart');
      await harness.pipe(facts.name, { value: null, key: 'a', timestampMs: 3_000 }, fact('a', 'fourth', 4_000));
      assert.deepEqual(await seenBy(2_999, 3_000, 4_000), [
        ['second', 'fourth'],
        [null, 'fourth'],
        ['fourth', 'fourth'],
      ]);
    },
  },
  {
    name: 'nothing is processed before a global table is as full as its topic was at the start',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const facts = factTopic(`${prefix}facts`);
      const notes = noteTopic(`${prefix}notes`);
      const look = defineProcessor({
        name: 'look',
        inputs: { entry: entries },
        globals: { facts },
        outputs: { note: notes },
        graceMs: 0,
        onError: 'dead-letter',
        process: {
          entry: (value, { globals, emit }) =>
            emit('note', noteOf(value, [globals.facts.size, globals.facts.get('last')?.atMs])),
        },
      });
      const harness = await open(defineTopology({ applicationId: `${prefix}look`, processors: [look] }));
      const name = 'n'.padEnd(Math.ceil(FETCHED_BYTES / FETCHED_RECORDS), '.');
      const many = Array.from({ length: FETCHED_RECORDS }, (_, i) => fact(`account-${i}`, name, 1_000 + i));
      await harness.pipeTogether({
        [entries.name]: [entry('e1', 'a', 1, 5_000)],
        [facts.name]: [...many, fact('last', name, 4_000)],
      });
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [[FETCHED_RECORDS + 1, 4_000]]);
    },
  },
];
