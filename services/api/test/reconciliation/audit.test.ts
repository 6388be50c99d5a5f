import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AUDIT_SLICE_ROWS, createAudit } from '../../src/reconciliation/audit.ts';

test('a large table is looked at in slices, each table in turn, and the sum is told', async () => {
  const looks: string[] = [];
  const clock = { nowMs: 0 };
  const audit = createAudit({
    tables: ['payments', 'decisions'],
    countRepeats: async (table, { slice, slices }) => {
      looks.push(`${table} ${slice}/${slices}`);
      return slice + 1;
    },
    now: () => clock.nowMs,
  });
  const rows = { payments: 2 * AUDIT_SLICE_ROWS + 1, decisions: 0, telemetry: 0 };
  for (let step = 0; step < 5; step += 1) {
    clock.nowMs += 5_000;
    await audit.step(rows);
  }
  assert.deepEqual(looks, ['payments 0/3', 'payments 1/3', 'payments 2/3', 'decisions 0/1', 'payments 0/3']);
  assert.equal(audit.repeats(), 1 + 2 + 3 + 1);
});

test('a look that took long is followed by a pause a hundred times as long', async () => {
  const clock = { nowMs: 0 };
  let looks = 0;
  const audit = createAudit({
    tables: ['telemetry'],
    countRepeats: async () => {
      looks += 1;
      clock.nowMs += 2_000;
      return 0;
    },
    now: () => clock.nowMs,
  });
  const rows = { payments: 0, decisions: 0, telemetry: 1 };
  await audit.step(rows);
  clock.nowMs += 199_999;
  await audit.step(rows);
  assert.equal(looks, 1);
  clock.nowMs += 1;
  await audit.step(rows);
  assert.equal(looks, 2);
});
