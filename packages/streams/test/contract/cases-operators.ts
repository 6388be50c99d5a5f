// Windows, joins and tables, as the operators build them: what they say, when, and that a restart changes nothing of it.
import assert from 'node:assert/strict';
import { aggregateOf, count, hopping, session, streamBuilder, sum, tumbling } from '../../src/index.ts';
import type { ContractCase, Harness } from './harness.ts';
import { type Entry, entry, entryTopic, type Fact, fact, factTopic, type Note, noteTopic, says } from './topics.ts';

const MINUTE_MS = 60_000;
const IDLE_AFTER_MS = 10_000;
const KEYS_MAX = 100;

const note = (account: string, atMs: number, told: unknown): Note => ({ id: account, account, atMs, says: told });
const totals = aggregateOf({ count: count(), sum: sum<Entry>(({ amount }) => amount) });

/** Sums per minute, said when the minute has closed; what comes too late for one is put in another topic. */
function createMinutes(prefix: string, options: { readonly graceMs: number; readonly idleAfterMs?: number }) {
  const entries = entryTopic(`${prefix}entries`);
  const notes = noteTopic(`${prefix}notes`);
  const late = entryTopic(`${prefix}late`);
  const builder = streamBuilder(`${prefix}minutes`);
  const minutes = builder
    .stage('minutes', { ...options, onError: 'dead-letter' })
    .stream(entries)
    .map((value) => {
      if (value.amount < 0) throw new Error('no amount below zero');
      return value;
    })
    .aggregate('minutes', {
      windows: tumbling({ sizeMs: MINUTE_MS }),
      aggregation: totals,
      emit: 'on-close',
      keysMax: KEYS_MAX,
    });
  minutes.map(({ key, window, result }) => note(key, window.endMs - 1, [window.startMs, result])).to(notes);
  minutes.late.to(late);
  return { topology: builder.build(), entries, notes, late };
}

const idsOf = async (harness: Harness, topic: string): Promise<(string | undefined)[]> =>
  (await harness.output<Entry>(topic)).map((value) => value?.id);

export const OPERATOR_CASES: readonly ContractCase[] = [
  {
    name: 'a window says its result once, when time has passed its end and grace; what comes then goes to the late output',
    run: async ({ prefix, open }) => {
      const { topology, entries, notes, late } = createMinutes(prefix, { graceMs: 10_000 });
      const harness = await open(topology);
      await harness.pipe(
        entries.name,
        entry('e1', 'a', 1, 0),
        entry('e2', 'a', 2, 59_999),
        entry('e3', 'b', 4, 60_000),
        entry('e4', 'a', 8, 69_999), // a millisecond before the first minute closes
      );
      assert.deepEqual(says(await harness.output<Note>(notes.name)), []);
      await harness.restart();
      await harness.pipe(entries.name, entry('e5', 'a', 16, 30_000), entry('e6', 'c', 32, 70_000));
      assert.deepEqual(await harness.output<Note>(notes.name), [note('a', 59_999, [0, { count: 3, sum: 19 }])]);
      await harness.restart();
      await harness.pipe(
        entries.name,
        entry('e7', 'a', 64, 59_999), // late
        entry('e8', 'b', 128, 60_000),
        entry('e9', 'a', 256, 400_000), // over minutes in which nothing was
        entry('e10', 'a', 512, 359_999), // late again
        entry('e11', 'b', 1_024, 360_000),
      );
      const closed = await harness.output<Note>(notes.name);
      assert.deepEqual(closed.map((value) => [value?.account, value?.says]).sort(), [
        ['a', [60_000, { count: 1, sum: 8 }]],
        ['b', [60_000, { count: 2, sum: 132 }]],
        ['c', [60_000, { count: 1, sum: 32 }]],
      ]);
      assert.deepEqual(await idsOf(harness, late.name), ['e7', 'e10']);
      assert.deepEqual(await harness.letters(), []);
    },
  },
  {
    name: 'no window is lost to a record that fails in the moment it closes them',
    run: async ({ prefix, open }) => {
      const { topology, entries, notes } = createMinutes(prefix, { graceMs: 0 });
      const harness = await open(topology);
      await harness.pipe(
        entries.name,
        entry('e1', 'a', 1, 1_000),
        entry('e2', 'b', 2, 2_000),
        entry('e3', 'a', -1, 70_000),
      );
      assert.deepEqual(
        (await harness.letters()).map(({ origin }) => origin.offset),
        [2],
      );
      await harness.restart();
      await harness.pipe(entries.name, entry('e4', 'a', 4, 80_000), entry('e5', 'a', 8, 120_000));
      assert.deepEqual(
        (await harness.output<Note>(notes.name)).map((value) => [value?.account, value?.says]),
        [
          ['a', [0, { count: 1, sum: 1 }]],
          ['b', [0, { count: 1, sum: 2 }]],
          ['a', [60_000, { count: 1, sum: 4 }]],
        ],
      );
    },
  },
  {
    name: 'a partition that has gone quiet closes its windows by the wall clock, and keeps the time it came to',
    run: async ({ prefix, open }) => {
      const { topology, entries, notes, late } = createMinutes(prefix, { graceMs: 0, idleAfterMs: IDLE_AFTER_MS });
      const harness = await open(topology);
      await harness.pipe(entries.name, entry('e1', 'a', 1, 1_000));
      await harness.passTime(IDLE_AFTER_MS - 1);
      await harness.pipe(entries.name, entry('e2', 'a', 2, 1_000)); // not quiet any more
      await harness.passTime(IDLE_AFTER_MS - 1);
      await harness.passTime(58_999 - IDLE_AFTER_MS + 1); // to 59,999
      assert.deepEqual(says(await harness.output<Note>(notes.name)), []);
      await harness.restart();
      await harness.passTime(IDLE_AFTER_MS); // to 69,999
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [[0, { count: 2, sum: 3 }]]);
      await harness.restart();
      await harness.pipe(entries.name, entry('e3', 'a', 4, 59_999), entry('e4', 'a', 8, 60_000));
      assert.deepEqual(await idsOf(harness, late.name), ['e3']);
      await harness.passTime(50_001); // to 120,000
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [[60_000, { count: 1, sum: 8 }]]);
    },
  },
  {
    name: 'hopping windows on update say what each event makes of every window it is in',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const notes = noteTopic(`${prefix}notes`);
      const builder = streamBuilder(`${prefix}hops`);
      builder
        .stage('hops', { graceMs: 0, onError: 'dead-letter' })
        .stream(entries)
        .aggregate('hops', {
          windows: hopping({ sizeMs: 1_000, advanceMs: 500 }),
          aggregation: totals,
          emit: 'on-update',
          keysMax: KEYS_MAX,
        })
        .map(({ key, window, result }) => note(key, window.startMs, [window.startMs, result.count, result.sum]))
        .to(notes);
      const harness = await open(builder.build());
      await harness.pipe(entries.name, entry('e1', 'a', 1, 10_000), entry('e2', 'a', 2, 10_499));
      const updates = async () => says(await harness.output<Note>(notes.name)).sort();
      assert.deepEqual(await updates(), [
        [10_000, 1, 1],
        [10_000, 2, 3],
        [9_500, 1, 1],
        [9_500, 2, 3],
      ]);
      await harness.restart();
      await harness.pipe(entries.name, entry('e3', 'b', 4, 10_500), entry('e4', 'a', 8, 10_499));
      assert.deepEqual(await updates(), [
        [10_000, 1, 4],
        [10_000, 3, 11], // the window from 9,500 has closed: an event that is late for one may be in time for another
        [10_500, 1, 4],
      ]);
    },
  },
  {
    name: 'an event between two sessions makes one of them, and the update says which it stands for',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const notes = noteTopic(`${prefix}notes`);
      const builder = streamBuilder(`${prefix}sessions`);
      builder
        .stage('sessions', { graceMs: 60_000, onError: 'dead-letter' })
        .stream(entries)
        .aggregate('sessions', {
          windows: session({ gapMs: 1_000, lengthMsMax: 3_600_000 }),
          aggregation: totals,
          emit: 'on-update',
          keysMax: KEYS_MAX,
          sessionsPerKeyMax: 10,
        })
        .map(({ key, window, result, replaced }) =>
          note(key, window.startMs, [
            [window.startMs, window.endMs],
            result.sum,
            replaced.map(({ startMs, endMs }) => [startMs, endMs]),
          ]),
        )
        .to(notes);
      const harness = await open(builder.build());
      await harness.pipe(entries.name, entry('e1', 'a', 1, 10_000), entry('e2', 'a', 2, 11_500));
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [
        [[10_000, 11_000], 1, []],
        [[11_500, 12_500], 2, []],
      ]);
      await harness.restart();
      await harness.pipe(entries.name, entry('e3', 'a', 4, 10_700));
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [
        [
          [10_000, 12_500],
          7,
          [
            [10_000, 11_000],
            [11_500, 12_500],
          ],
        ],
      ]);
    },
  },
  {
    name: 'a table answers with its newest row, and after a tombstone with none',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const facts = factTopic(`${prefix}facts`);
      const notes = noteTopic(`${prefix}notes`);
      const builder = streamBuilder(`${prefix}named`);
      const stage = builder.stage('named', { graceMs: 0, onError: 'dead-letter' });
      const names = stage.table<Fact>('names', facts, { entriesMax: KEYS_MAX });
      stage
        .stream(entries)
        .leftJoin(names, ({ account, atMs, id }, row) => note(account, atMs, [id, row?.name ?? null]))
        .to(notes);
      const harness = await open(builder.build());
      await harness.pipe(entries.name, entry('e1', 'a', 1, 1_000));
      await harness.pipe(facts.name, fact('a', 'first', 2_000), fact('b', 'other', 2_000), fact('a', 'second', 1_500));
      await harness.pipe(entries.name, entry('e2', 'a', 1, 3_000));
      await harness.restart();
      await harness.pipe(entries.name, entry('e3', 'a', 1, 3_500), entry('e4', 'b', 1, 3_500));
      await harness.pipe(facts.name, { value: null, key: 'a', timestampMs: 4_000 });
      await harness.restart();
      await harness.pipe(entries.name, entry('e5', 'a', 1, 5_000), entry('e6', 'b', 1, 5_000));
      assert.deepEqual(says(await harness.output<Note>(notes.name)), [
        ['e1', null],
        ['e2', 'second'],
        ['e3', 'second'],
        ['e4', 'other'],
        ['e5', null],
        ['e6', 'other'],
      ]);
    },
  },
  {
    name: 'several tables make one row in any order of arrival, and a tombstone once the last of them has gone',
    run: async ({ prefix, open }) => {
      const facts = factTopic(`${prefix}facts`);
      const others = factTopic(`${prefix}others`);
      const profiles = noteTopic(`${prefix}profiles`);
      const builder = streamBuilder(`${prefix}profiles`);
      const stage = builder.stage('profiles', { graceMs: 0, onError: 'dead-letter' });
      stage
        .joinTables(
          'profile',
          {
            one: stage.table<Fact>('one', facts, { entriesMax: KEYS_MAX }),
            other: stage.table<Fact>('other', others, { entriesMax: KEYS_MAX }),
          },
          ({ one, other }) =>
            note(one?.account ?? other?.account ?? '', 1_000, [one?.name ?? null, other?.name ?? null]),
        )
        .to(profiles);
      const harness = await open(builder.build());
      const gone = (key: string, timestampMs: number) => ({ value: null, key, timestampMs });
      await harness.pipe(others.name, fact('a', 'o1', 1_000));
      await harness.pipe(facts.name, fact('a', 'f1', 900), fact('b', 'f2', 2_000));
      await harness.restart();
      await harness.pipe(others.name, gone('a', 3_000));
      await harness.pipe(facts.name, gone('a', 3_000), gone('c', 3_000));
      await harness.pipe(others.name, fact('b', 'o2', 4_000));
      assert.deepEqual(
        (await harness.records(profiles.name)).map(({ key, value }) => [
          key,
          value === null ? null : profiles.decode(Buffer.from(value)).says,
        ]),
        [
          ['a', [null, 'o1']],
          ['a', ['f1', 'o1']],
          ['b', ['f2', null]],
          ['a', ['f1', null]],
          ['a', null],
          ['b', ['f2', 'o2']],
        ],
      );
    },
  },
  {
    name: 'events of two streams meet within their window, and who stays alone says so once no partner can come',
    run: async ({ prefix, open }) => {
      const entries = entryTopic(`${prefix}entries`);
      const answers = entryTopic(`${prefix}answers`);
      const notes = noteTopic(`${prefix}notes`);
      const late = entryTopic(`${prefix}late`);
      const builder = streamBuilder(`${prefix}pairs`);
      const stage = builder.stage('pairs', { graceMs: 1_000, onError: 'dead-letter' });
      const pairs = stage
        .stream(entries)
        .joinWindow(
          stage.stream(answers),
          { name: 'pairs', kind: 'outer', beforeMs: 0, afterMs: 500, eventsPerKeyMax: 10, keysMax: KEYS_MAX },
          (left, right) => note(left?.account ?? right?.account ?? '', 0, [left?.id ?? null, right?.id ?? null]),
        );
      pairs.to(notes);
      pairs.late.left.to(late);
      const harness = await open(builder.build());
      await harness.pipe(
        entries.name,
        entry('e1', 'a', 1, 10_000),
        entry('e2', 'a', 1, 10_200),
        entry('e3', 'b', 1, 10_300),
      );
      await harness.pipe(
        answers.name,
        entry('r1', 'a', 1, 10_500),
        entry('r2', 'a', 1, 10_701),
        entry('r3', 'b', 1, 10_299),
      );
      assert.deepEqual(says(await harness.output<Note>(notes.name)).sort(), [
        ['e1', 'r1'],
        ['e2', 'r1'],
      ]);
      await harness.restart();
      await harness.pipe(answers.name, entry('r4', 'b', 1, 10_800), entry('r5', 'c', 1, 20_000));
      await harness.pipe(entries.name, entry('e4', 'a', 1, 10_000));
      assert.deepEqual(says(await harness.output<Note>(notes.name)).sort(), [
        [null, 'r2'],
        [null, 'r3'],
        ['e3', 'r4'],
      ]);
      assert.deepEqual(await idsOf(harness, late.name), ['e4']);
    },
  },
];
