import type { TestContext } from 'node:test';
import { samples } from '@millrace/contracts';
import { createLogger, createMetrics, Health } from '@millrace/observability';
import type { StoredLetter } from '@millrace/warehouse';
import { type ApiInstance, type AppOptions, createApp } from '../src/app.ts';
import type { Feed } from '../src/live/feed.ts';
import type { Reads } from '../src/reads.ts';

export const NOW_MS = 1_772_366_400_000;
export const INGESTED_MS = NOW_MS + 250;

export const COUNTS = { accepted: 7, raw: 6, enriched: 5, decided: 4, stored: 3, lost: 2, duplicated: 1 };

/** A record that two stages have refused, and that one of them got again. */
export const LETTER: StoredLetter = {
  ...samples.deadLetter,
  headers: { schema: 'payment.v1', redriven_from: 'payments.raw:2:17' },
  value_bytes: 9,
  is_cut: false,
  first_failed_at: samples.deadLetter.failed_at,
  failures: [
    {
      stage: 'customer',
      reason: 'malformed-json',
      message: 'no',
      failed_at: NOW_MS + 1_000,
      redriven_at: NOW_MS + 9_000,
    },
    { stage: 'sink', reason: 'malformed-json', message: 'not for me', failed_at: NOW_MS + 2_000 },
  ],
  redrives: [
    {
      redriven_at: NOW_MS + 9_000,
      stages: ['customer'],
      topic: 'payments.enriched',
      event_ids: [samples.payment.transaction_id],
    },
  ],
};

/** A warehouse with one of everything, the samples of the contracts. */
export const READS: Reads = {
  findPayment: async (id) =>
    id === samples.enrichedPayment.transaction_id
      ? { ...samples.enrichedPayment, ingested_at: INGESTED_MS }
      : undefined,
  listPayments: async () => [{ ...samples.enrichedPayment, ingested_at: INGESTED_MS }],
  findDecision: async (id) => (id === samples.decision.transaction_id ? samples.decision : undefined),
  listDecisions: async () => [samples.decision],
  listAlerts: async () => [samples.alert],
  findProfile: async (id) => (id === samples.profile.customer_id ? samples.profile : undefined),
  findMerchant: async (id) =>
    id === samples.merchant.merchant_id
      ? {
          merchant_id: id,
          merchant: { name: 'Shop' },
          payments: 3,
          customers: 2,
          first_payment_at: NOW_MS - 1000,
          last_payment_at: NOW_MS,
          terminals: [{ terminal_id: 't1', payments: 3, last_payment_at: NOW_MS }],
        }
      : undefined,
  findDevice: async (id) =>
    id === samples.telemetry.device_id
      ? {
          device_id: id,
          owner_id: 'shop',
          kind: 'terminal',
          last_reading_at: NOW_MS,
          metrics: [
            { metric: 'online', value: 0, event_time: NOW_MS },
            { metric: 'temperature', value: 21.5, event_time: NOW_MS },
          ],
          readings: [{ event_time: NOW_MS, sequence: 7, metrics: { temperature: 21.5 }, ingested_at: INGESTED_MS }],
        }
      : undefined,
  listDeadLetters: async () => [{ id: LETTER.id, timeMs: samples.deadLetter.failed_at, base64Length: 12 }],
  countDeadLetters: async () => 0,
  readDeadLetters: async (ids) => (ids.includes(LETTER.id) ? [LETTER] : []),
  readStatistics: async () => ({
    steps: [{ time: NOW_MS - 1000, payments: 3, approve: 1, review: 1, decline: 1 }],
    readings: [{ time: NOW_MS, readings: 9 }],
    latencyMs: { decided: { p50: 10, p99: 30 }, stored: { p50: 500, p99: 900 } },
    totals: { payments: 3, decisions: 3, alerts: 2, readings: 9, dead_letters: 0, rows: 26 },
  }),
  reconcileSender: async () => COUNTS,
};

const silentFeed: Feed = { subscribe: async () => () => {}, close: async () => {} };

export const logger = createLogger({ service: 'test', level: 'silent' });

/** The app on fakes; `options` replaces what a test is about. */
export async function testApp(t: TestContext, options: Partial<AppOptions> = {}): Promise<ApiInstance> {
  const app = await createApp({
    reads: READS,
    reconciliation: () => ({ payments: COUNTS, telemetry: COUNTS }),
    insertLedger: async () => {},
    redrive: async () => [],
    feeds: { alerts: silentFeed, decisions: silentFeed },
    metrics: createMetrics('api'),
    health: new Health(),
    logger,
    now: () => NOW_MS,
    ...options,
  });
  t.after(() => app.close());
  return app;
}
