import assert, { AssertionError } from 'node:assert';
import { ask, countOf, eventually, type Platform } from '@millrace/test-platform';
import { type Outcome, outcome } from './check.ts';

/** Its events settle by the progress of the pipeline, which stands still now: a partition is waited for 30 s. */
const SETTLED_MS_MAX = 180_000;

/** What the platform says of itself: of one sender's ledger, and of everything since the start. */
export async function checkReconciliation(
  platform: Platform,
  sender: string,
  acknowledged: { readonly payments: number; readonly readings: number },
): Promise<Outcome[]> {
  const of = { payments: acknowledged.payments, telemetry: acknowledged.readings };
  const bySender = await objection(async () => {
    const report = await ask(platform, `/v1/reconciliation?sender=${sender}`);
    for (const kind of ['payments', 'telemetry'] as const) {
      const all = of[kind];
      const hops = { accepted: all, raw: all, enriched: all, decided: all, stored: all, lost: 0, duplicated: 0 };
      assert.deepEqual(report[kind], hops, kind);
    }
  });
  const raw = await countOf(platform, 'payments_raw', '');
  const overall = await objection(async () => {
    const report = await ask(platform, '/v1/reconciliation');
    assert.ok(report.payments.accepted >= raw.distinct, `${report.payments.accepted} of ${raw.distinct} are settled`);
    for (const kind of ['payments', 'telemetry'] as const) {
      const { lost, duplicated } = report[kind];
      assert.deepEqual({ lost, duplicated }, { lost: 0, duplicated: 0 }, `${kind}: ${JSON.stringify(report[kind])}`);
    }
  });
  return [
    outcome('/v1/reconciliation of the sender', of.payments + of.telemetry, bySender),
    outcome('/v1/reconciliation of everything', raw.distinct, overall),
  ];
}

/** What an assertion still objects to in the end; none when it holds. */
async function objection(probe: () => Promise<void>): Promise<string[]> {
  try {
    await eventually(probe, SETTLED_MS_MAX);
    return [];
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error;
    return [error.message];
  }
}
