import { aggregateOf, count, hopping, session, streamBuilder, sum } from '../../src/index.ts';
import { type Entry, entryTopic, type Fact, factTopic, type Note, noteTopic } from '../contract/topics.ts';

const GRACE_MS = 5_000;
const KEYS_MAX = 1_000;

/**
 * Everything that depends on event time, in one topology: a table that changes meanwhile, windows on close and on
 * update, what comes late for them, a windowed join with its unmatched, and a second stage that reads the first.
 */
export function createTimelyTopology(prefix: string, inputPrefix = prefix) {
  const inputs = {
    entries: entryTopic(`${inputPrefix}entries`),
    answers: entryTopic(`${inputPrefix}answers`),
    facts: factTopic(`${inputPrefix}facts`),
  };
  const outputs = {
    named: noteTopic(`${prefix}named`),
    hops: noteTopic(`${prefix}hops`),
    late: entryTopic(`${prefix}late`),
    sessions: noteTopic(`${prefix}sessions`),
    pairs: noteTopic(`${prefix}pairs`),
    totals: noteTopic(`${prefix}totals`),
  };
  const builder = streamBuilder(`${prefix}timely`);
  const first = builder.stage('first', { graceMs: GRACE_MS, onError: 'dead-letter' });
  const second = builder.stage('second', { graceMs: GRACE_MS, onError: 'dead-letter' });
  const entries = first.stream<Entry>(inputs.entries);
  const answers = first.stream<Entry>(inputs.answers);
  const names = first.table<Fact>('names', inputs.facts, { entriesMax: KEYS_MAX });
  const note = (id: string, account: string, atMs: number, says: unknown): Note => ({ id, account, atMs, says });

  const named = entries.leftJoin(names, ({ id, account, atMs, amount }, fact, { record }) =>
    note(id, account, atMs, [fact?.name ?? null, amount, record.late]),
  );
  const hops = entries.aggregate('hops', {
    windows: hopping({ sizeMs: 30_000, advanceMs: 10_000 }),
    aggregation: aggregateOf({ count: count(), sum: sum<Entry>(({ amount }) => amount) }),
    emit: 'on-close',
    keysMax: KEYS_MAX,
  });
  hops
    .map(({ key, window, result }) => note(`${key}@${window.startMs}`, key, window.endMs - 1, result))
    .to(outputs.hops);
  hops.late.to(outputs.late);
  entries
    .aggregate('sessions', {
      windows: session({ gapMs: 4_000, lengthMsMax: 120_000 }),
      aggregation: count(),
      emit: 'on-update',
      keysMax: KEYS_MAX,
      sessionsPerKeyMax: 100,
    })
    .map(({ key, window, result, replaced }) => note(key, key, window.startMs, [window.endMs, result, replaced.length]))
    .to(outputs.sessions);
  entries
    .joinWindow(
      answers,
      { name: 'pairs', kind: 'outer', beforeMs: 0, afterMs: 3_000, eventsPerKeyMax: 1_000, keysMax: KEYS_MAX },
      (entry, answer) =>
        note('pair', entry?.account ?? answer?.account ?? '', Math.max(entry?.atMs ?? 0, answer?.atMs ?? 0), [
          entry?.id ?? null,
          answer?.id ?? null,
        ]),
    )
    .to(outputs.pairs);
  // The key stays: a partition of the topic between has one writer, and so one order, whatever happens to it.
  named
    .repartition(outputs.named, second)
    .aggregate('totals', {
      windows: hopping({ sizeMs: 60_000, advanceMs: 60_000 }),
      aggregation: count(),
      emit: 'on-update',
      keysMax: KEYS_MAX,
    })
    .map(({ key, window, result }) => note(key, key, window.startMs, result))
    .to(outputs.totals);
  return { topology: builder.build(), inputs, outputs };
}
