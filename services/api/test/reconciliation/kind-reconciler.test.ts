import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TableName } from '@millrace/warehouse';
import fc from 'fast-check';
import { createKindReconciler } from '../../src/reconciliation/kind-reconciler.ts';
import { type MemoryRow, memoryTables } from './memory-tables.ts';

const SETTLE_MS = 10_000;
const STALL_MS = 30_000;

/** A reconciler over tables in memory, and a clock that is moved by hand. */
function setUp(kind: 'payments' | 'telemetry' = 'payments', options: { underWayMax?: number } = {}) {
  const rows: MemoryRow[] = [];
  const offsets = new Map<string, number>();
  const clock = { nowMs: 1_000_000 };
  const reads = memoryTables(rows);
  const start = () => {
    const reconciler = createKindReconciler({
      kind,
      reads,
      partitions: 2,
      settleMs: SETTLE_MS,
      stallMs: STALL_MS,
      now: () => clock.nowMs,
      ...options,
    });
    return { ...reconciler, step: async () => reconciler.step(await reads.countRows()) };
  };
  return {
    clock,
    start,
    /** Stores events behind what the table has already, accepted now or at `timeMs`. */
    store(
      table: TableName,
      ids: readonly number[],
      { timeMs = clock.nowMs, part }: { timeMs?: number; part?: string } = {},
    ) {
      for (const id of ids) {
        const partition = table === 'ledger' || table === 'dead_letters' ? 0 : id % 2;
        const offset = (offsets.get(`${table} ${partition}`) ?? -1) + 1;
        offsets.set(`${table} ${partition}`, offset);
        rows.push({ table, partition, offset, id, timeMs, ...(part !== undefined && { part }) });
      }
    },
    rows,
  };
}

const counts = (all: number, others: object = {}) => ({
  accepted: all,
  raw: all,
  enriched: all,
  decided: all,
  stored: all,
  lost: 0,
  duplicated: 0,
  ...others,
});

test('events that every hop has shown are counted at once, whatever the order of reads', async () => {
  const { start, store } = setUp();
  const reconciler = start();
  store('payments_raw', [1, 2, 3]);
  store('payments', [1, 2]);
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(0));
  store('decisions', [2, 1]);
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(2));
  store('decisions', [3]);
  store('payments', [3]);
  store('ledger', [1, 2, 3]);
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(3));
});

test('an event that the pipeline has moved past is lost, and found again when its row comes late', async () => {
  const { start, store, clock } = setUp();
  const reconciler = start();
  for (const table of ['payments_raw', 'payments'] as const) store(table, [1, 2, 3, 4]);
  store('decisions', [1, 2, 3]);
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(3), 'not settled yet');

  clock.nowMs += SETTLE_MS + 1;
  for (const table of ['payments_raw', 'payments', 'decisions'] as const) store(table, [5, 6]);
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(6, { decided: 5, stored: 5, lost: 1 }));

  store('decisions', [4]);
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(6));
});

test('a pipeline that works off a backlog has lost nothing; one that stands still has', async () => {
  const { start, store, clock } = setUp();
  const reconciler = start();
  for (const table of ['payments_raw', 'payments', 'decisions'] as const) store(table, [1, 2]);
  const { nowMs } = clock;
  store('payments_raw', [3, 4, 5, 6], { timeMs: nowMs + 100 });
  await reconciler.step();
  clock.nowMs += SETTLE_MS * 2;
  for (const table of ['payments', 'decisions'] as const) store(table, [3, 4], { timeMs: nowMs + 100 });
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(4), 'moved a moment ago');
  clock.nowMs += STALL_MS;
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(6, { enriched: 4, decided: 4, stored: 4, lost: 2 }));
});

test('what a ledger says was accepted and no table has is lost', async () => {
  const { start, store, clock } = setUp();
  const reconciler = start();
  store('ledger', [1, 2]);
  for (const table of ['payments_raw', 'payments', 'decisions'] as const) store(table, [1]);
  clock.nowMs += STALL_MS;
  await reconciler.step();
  clock.nowMs += STALL_MS;
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(1, { accepted: 2, lost: 1 }));
});

test('a dead letter is accepted and not lost', async () => {
  const { start, store, clock } = setUp();
  const reconciler = start();
  store('payments_raw', [1]);
  store('dead_letters', [1]);
  clock.nowMs += STALL_MS;
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(0, { accepted: 1, raw: 1 }));
});

test('a repeat that a client sent is one event', async () => {
  const { start, store } = setUp();
  const reconciler = start();
  for (const table of ['payments_raw', 'payments', 'decisions', 'payments_raw'] as const) store(table, [1]);
  await reconciler.step();
  store('payments_raw', [1]);
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(1));
});

test('a row that is stored twice is counted: in one read, in a later one, and behind the position', async () => {
  const { start, store, rows } = setUp();
  const reconciler = start();
  store('payments_raw', [1, 2]);
  store('payments', [1, 1, 2]);
  store('decisions', [1, 2]);
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(2, { duplicated: 1 }));
  store('decisions', [2]);
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(2, { duplicated: 2 }));
  const old = rows.find(({ table }) => table === 'decisions');
  assert.ok(old);
  rows.push(old);
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(2, { duplicated: 3 }));
});

test('a reading is one event however many metrics it has, and is decided when it is enriched', async () => {
  const { start, store } = setUp('telemetry');
  const reconciler = start();
  store('telemetry_raw', [1, 2]);
  store('telemetry', [1, 2], { part: 'temperature' });
  store('telemetry', [1], { part: 'tamper' });
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(2));
  store('telemetry', [1], { part: 'tamper' });
  await reconciler.step();
  assert.deepEqual(reconciler.counts(), counts(2, { duplicated: 1 }));
});

test('after a restart the totals are the same', async () => {
  const { start, store, clock } = setUp();
  const first = start();
  store('ledger', [1, 2, 3, 4]);
  store('payments_raw', [1, 2, 3, 3]);
  store('payments', [1, 2, 3]);
  store('decisions', [1, 2, 2]);
  await first.step();
  clock.nowMs += STALL_MS;
  await first.step();
  const second = start();
  await second.step();
  clock.nowMs += STALL_MS;
  await second.step();
  assert.deepEqual(first.counts(), counts(3, { accepted: 4, decided: 2, stored: 2, lost: 2, duplicated: 1 }));
  assert.deepEqual(second.counts(), first.counts());
});

test('with too much under way no new events are taken in, and what is lost is still told', async () => {
  const { start, store, clock } = setUp('payments', { underWayMax: 3 });
  const reconciler = start();
  store('payments_raw', [1, 2, 3, 4]);
  await reconciler.step();
  store('payments_raw', [5, 6]);
  clock.nowMs += STALL_MS;
  assert.equal(await reconciler.step(), true);
  assert.deepEqual(reconciler.counts(), counts(0, { accepted: 4, raw: 4, lost: 4 }));
  for (const table of ['payments', 'decisions'] as const) store(table, [1, 2, 3, 4]);
  while (!(await reconciler.step()));
  for (const table of ['payments', 'decisions'] as const) store(table, [5, 6]);
  while (!(await reconciler.step()));
  assert.deepEqual(reconciler.counts(), counts(6));
});

test('a read that fails and is repeated counts nothing twice', async () => {
  const { store, rows, clock } = setUp();
  const reads = memoryTables(rows);
  let failing = 0;
  const flaky = <Args extends unknown[], Result>(read: (...args: Args) => Promise<Result>) => {
    return async (...args: Args) => {
      failing += 1;
      if (failing % 3 === 0) throw new Error('ClickHouse is away');
      return await read(...args);
    };
  };
  const reconciler = createKindReconciler({
    kind: 'payments',
    reads: { ...reads, heads: flaky(reads.heads), hops: flaky(reads.hops), find: flaky(reads.find) },
    partitions: 2,
    settleMs: SETTLE_MS,
    stallMs: STALL_MS,
    now: () => clock.nowMs,
  });
  const step = async () => reconciler.step(await reads.countRows()).catch(() => false);
  for (let id = 0; id < 20; id += 1) {
    for (const table of ['ledger', 'payments_raw', 'payments', 'decisions'] as const) store(table, [id]);
    await step();
  }
  while (!(await step()));
  assert.deepEqual(reconciler.counts(), counts(20));
});

test('counts equal those of a look at all rows, whenever and in whatever order rows are stored', async () => {
  const tables = ['ledger', 'payments_raw', 'payments', 'decisions'] as const;
  const arrival = fc.record({
    table: fc.constantFrom(...tables),
    id: fc.integer({ min: 0, max: 15 }),
    stepAfter: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(arrival, { maxLength: 80 }), async (arrivals) => {
      const { start, store, clock } = setUp();
      const reconciler = start();
      const seen = { ledger: [], payments_raw: [], payments: [], decisions: [] } as Record<
        (typeof tables)[number],
        number[]
      >;
      for (const { table, id, stepAfter } of arrivals) {
        store(table, [id]);
        seen[table].push(id);
        clock.nowMs += 100;
        if (stepAfter) await reconciler.step();
      }
      clock.nowMs += STALL_MS + SETTLE_MS;
      while (!(await reconciler.step()));
      clock.nowMs += STALL_MS;
      await reconciler.step();

      const distinct = (...names: (typeof tables)[number][]) => new Set(names.flatMap((name) => seen[name]));
      const accepted = distinct(...tables);
      const decided = distinct('decisions');
      const stored = new Set([...distinct('payments')].filter((id) => decided.has(id)));
      assert.deepEqual(reconciler.counts(), {
        accepted: accepted.size,
        raw: distinct('payments_raw').size,
        enriched: distinct('payments').size,
        decided: decided.size,
        stored: stored.size,
        lost: [...accepted].filter((id) => !stored.has(id)).length,
        duplicated:
          seen.payments.length - distinct('payments').size + seen.decisions.length - distinct('decisions').size,
      });
    }),
    { numRuns: 300 },
  );
});
