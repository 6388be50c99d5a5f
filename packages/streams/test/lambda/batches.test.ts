// What is true of any sequence of batches, deliveries, failures and environments that die, against a count by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InRecord } from '@millrace/kafka';
import fc from 'fast-check';
import type { KafkaEventHandler } from '../../src/index.ts';
import type { CommitFate } from '../support/memory-kafka.ts';
import {
  APPLICATION,
  contextOf,
  createSum,
  createWorld,
  ENTRIES,
  type Entry,
  eventOf,
  FAILS,
  failuresIn,
  idsIn,
  lettersIn,
  NOW_MS,
  TOO_OLD,
  type Total,
  totalsIn,
  type World,
  write,
} from './world.ts';

const PARTITIONS = 3;
const AGE_MS_MAX = 3_600_000;
const RUNS = 150;
const STEPS_MAX = 400;
/** Longer than connections are trusted. */
const FREEZE_MS = 61_000;
/** No record becomes too old while a test runs. */
const FRESH_MS_MAX = AGE_MS_MAX - 30 * FREEZE_MS;

interface Step {
  /** Records of each partition that Lambda delivers. */
  readonly take: readonly number[];
  /** How many of the ones before it delivers again. */
  readonly again: number;
  readonly environment: number;
  /** For a while nothing has happened: environments connect anew. */
  readonly wasFrozen: boolean;
  readonly fates: readonly CommitFate[];
  /** The environment dies afterwards, before or after its answer has been heard. */
  readonly ends: 'answered' | 'unheard' | 'answered and dead';
}

const entries = fc.array(
  fc.record({
    partition: fc.nat(PARTITIONS - 1),
    account: fc.constantFrom('a', 'b', 'c'),
    amount: fc.oneof({ weight: 8, arbitrary: fc.nat(100) }, fc.constantFrom(FAILS.beforeTheStore, FAILS.afterTheStore)),
    ageMs: fc.oneof(
      { weight: 6, arbitrary: fc.nat(FRESH_MS_MAX) },
      fc.integer({ min: AGE_MS_MAX + 1, max: 2 * AGE_MS_MAX }),
    ),
    as: fc.oneof({ weight: 6, arbitrary: fc.constant('done' as const) }, fc.constant('aborted' as const)),
  }),
  { maxLength: 40 },
);
const steps = fc.array(
  fc.record<Step>({
    take: fc.array(fc.nat(6), { minLength: PARTITIONS, maxLength: PARTITIONS }),
    again: fc.nat(4),
    environment: fc.nat(1),
    wasFrozen: fc.boolean(),
    fates: fc.array(
      fc.oneof(
        { weight: 3, arbitrary: fc.constant<CommitFate>('works') },
        fc.constantFrom<CommitFate>('is lost', 'works unheard'),
      ),
      { maxLength: 6 },
    ),
    ends: fc.oneof(
      { weight: 3, arbitrary: fc.constant('answered' as const) },
      fc.constantFrom('unheard' as const, 'answered and dead' as const),
    ),
  }),
  { maxLength: 25 },
);

/** Accounts of a partition are its own, so that what is expected of one depends on no other. */
const accountOf = (account: string, partition: number) => `${account}${partition}`;

function fill({ kafka }: World, written: typeof entries extends fc.Arbitrary<infer T> ? T : never) {
  return written.map(({ partition, account, amount, ageMs, as }, i) => {
    const entry = { id: `e${i}`, account: accountOf(account, partition), amount, atMs: NOW_MS - ageMs };
    const offset = write(kafka, entry, partition, as);
    if (as === 'aborted') kafka.mark(ENTRIES.name, partition);
    return { entry, partition, offset, isCommitted: as === 'done', isTooOld: ageMs > AGE_MS_MAX };
  });
}

/** By hand: each account adds up what can be added, in the order of its partition. */
function addUp(list: readonly Entry[]): Total[] {
  const totals = new Map<string, { count: number; sum: number }>();
  return list.map((entry) => {
    const before = totals.get(entry.account) ?? { count: 0, sum: 0 };
    const total = { count: before.count + 1, sum: before.sum + entry.amount };
    totals.set(entry.account, total);
    return { ...entry, ...total };
  });
}

const byAccount = (totals: readonly Total[]) =>
  Object.fromEntries([...Map.groupBy(totals, ({ account }) => account)].sort(([a], [b]) => (a < b ? -1 : 1)));

/** Lambda's side: where it is in each partition, and what it sends. */
function createLambda(world: World, open: () => KafkaEventHandler) {
  const positions = Array.from({ length: PARTITIONS }, () => 0);
  const environments = [open(), open()];
  const logOf = (partition: number) => world.kafka.deliveredFrom(ENTRIES.name, partition);
  return {
    positions,
    isDone: () => positions.every((position, partition) => position >= logOf(partition).length),
    async step({ take, again, environment, wasFrozen, fates, ends }: Step): Promise<void> {
      if (wasFrozen) world.nowMs += FREEZE_MS;
      const left = [...fates];
      world.kafka.fateOf = () => left.shift() ?? 'works';
      const batches = positions.map((position, partition) =>
        logOf(partition).slice(Math.max(0, position - again), position + (take[partition] ?? 0)),
      );
      const handler = environments[environment] ?? assert.fail();
      const answer = await handler.handle(eventOf(...batches), contextOf());
      const failures = new Map(failuresIn(answer));
      for (const [partition, batch] of batches.entries()) checkAnswer(world, partition, batch, failures);
      if (ends !== 'answered') environments[environment] = open();
      if (ends === 'unheard') return;
      for (const [partition, batch] of batches.entries()) {
        const failedAt = failures.get(`${ENTRIES.name}-${partition}`);
        const done = failedAt === undefined ? batch : batch.filter(({ offset }) => offset < failedAt);
        const last = done.at(-1);
        if (last !== undefined)
          positions[partition] = Math.max(positions[partition] ?? 0, logOf(partition).indexOf(last) + 1);
      }
    },
  };
}

/** What the answer calls done is committed; what it calls a failure was delivered and is not. */
function checkAnswer(
  { kafka }: World,
  partition: number,
  batch: readonly InRecord[],
  failures: ReadonlyMap<string, number>,
) {
  const failedAt = failures.get(`${ENTRIES.name}-${partition}`);
  const isCommittedRecord = ({ offset }: InRecord) =>
    kafka.recordsOf(ENTRIES.name).some((record) => record.partition === partition && record.offset === offset);
  const done = batch.filter(
    (record) => isCommittedRecord(record) && (failedAt === undefined || record.offset < failedAt),
  );
  const committed = kafka.committedOffset(APPLICATION, ENTRIES.name, partition);
  for (const { offset } of done) assert.ok(offset < committed, `${partition}@${offset} is called done at ${committed}`);
  if (failedAt !== undefined)
    assert.ok(
      batch.some(({ offset }) => offset === failedAt),
      'a failure was in the event',
    );
}

test('whatever is lost, delivered again or dies, every record has its effect once and in order', async (t) => {
  const seed = Date.now() & 0x7fffffff;
  t.diagnostic(`seed ${seed}`);
  await fc.assert(
    fc.asyncProperty(entries, steps, async (written, schedule) => {
      const world = createWorld(PARTITIONS, { recordAgeMsMax: AGE_MS_MAX });
      const records = fill(world, written);
      const lambda = createLambda(world, () => world.environment());
      for (const step of schedule) await lambda.step(step);
      const rest: Step = { take: [5, 5, 5], again: 0, environment: 0, wasFrozen: false, fates: [], ends: 'answered' };
      for (let i = 0; !lambda.isDone(); i++) {
        assert.ok(i < STEPS_MAX, 'it comes to an end');
        await lambda.step(rest);
      }

      const committed = records.filter(({ isCommitted }) => isCommitted);
      const fresh = committed.filter(({ isTooOld }) => !isTooOld).map(({ entry }) => entry);
      assert.deepEqual(byAccount(totalsIn(world.kafka)), byAccount(addUp(fresh.filter(({ amount }) => amount >= 0))));
      const failing = fresh.filter(({ amount }) => amount < 0).map(({ id }) => id);
      assert.deepEqual(idsIn(lettersIn(world.kafka)).sort(), failing.sort(), 'what fails is put aside, once each');
      const old = committed.filter(({ isTooOld }) => isTooOld).map(({ entry }) => entry.id);
      assert.deepEqual(idsIn(lettersIn(world.kafka, TOO_OLD)).sort(), old.sort(), 'and what is too old');
    }),
    { seed, numRuns: RUNS },
  );
});

test('with onError stop a batch goes as far as the record that fails, and others go on when Lambda gives that one up', async (t) => {
  const seed = Date.now() & 0x7fffffff;
  t.diagnostic(`seed ${seed}`);
  await fc.assert(
    fc.asyncProperty(entries, fc.integer({ min: 1, max: 9 }), async (written, size) => {
      const world = createWorld(PARTITIONS);
      const records = fill(world, written);
      const handler = world.environment({ topology: createSum('stop') });
      for (let partition = 0; partition < PARTITIONS; partition++) {
        let rest = world.kafka.deliveredFrom(ENTRIES.name, partition);
        const isFailing = ({ offset }: InRecord) =>
          records.some(
            (record) =>
              record.partition === partition &&
              record.offset === offset &&
              record.isCommitted &&
              record.entry.amount < 0,
          );
        while (rest.length > 0) {
          const batch = rest.slice(0, size);
          const answer = failuresIn(await handler.handle(eventOf(batch), contextOf()));
          const failing = batch.find(isFailing);
          assert.deepEqual(answer, failing === undefined ? [] : [[`${ENTRIES.name}-${partition}`, failing.offset]]);
          // Its retries are used up: Lambda sends it to its own destination, and goes on behind it.
          rest =
            failing === undefined ? rest.slice(batch.length) : rest.filter(({ offset }) => offset > failing.offset);
        }
      }
      const wanted = records
        .filter(({ isCommitted, entry }) => isCommitted && entry.amount >= 0)
        .map(({ entry }) => entry);
      assert.deepEqual(byAccount(totalsIn(world.kafka)), byAccount(addUp(wanted)));
      assert.deepEqual(lettersIn(world.kafka), []);
    }),
    { seed, numRuns: RUNS },
  );
});
