import type { ReconciledKind } from '@millrace/warehouse';
import { Type } from 'typebox';
import type { ApiInstance } from '../app.ts';
import { badField, unavailable } from '../http/problems.ts';
import { problemAnswers, ReconciliationAnswer, StatsAnswer } from '../http/schemas.ts';
import { time } from '../http/views.ts';
import type { Reads } from '../reads.ts';
import type { Reconciliation } from '../reconciliation/reconciler.ts';
import { id } from './events.ts';

/** Steps of the series in one answer. */
export const STEPS_MAX = 1_000;
/** Any number of consoles and one `npm start` ask for the same numbers; they are read at most this often. */
const STATS_CACHE_MS = 1_000;

export interface OperationsSources {
  readonly reads: Pick<Reads, 'readStatistics' | 'reconcileSender'>;
  readonly reconciliation: () => Reconciliation | undefined;
  readonly now: () => number;
}

/** How the pipeline does: reconciliation and statistics. */
export function registerOperationsRoutes(app: ApiInstance, { reads, reconciliation, now }: OperationsSources): void {
  app.get(
    '/v1/reconciliation',
    {
      schema: {
        operationId: 'get-reconciliation',
        tags: ['operations'],
        summary: 'Distinct events at every hop, compared: is anything lost, or there twice?',
        description:
          'Of all events, once they had time to arrive (RECONCILE_SETTLE_MS). With `sender`: of the events in the ledger of that sender, as they are now.',
        querystring: Type.Object(
          { sender: Type.Optional(id('Name under which a sender posts its ledger.')) },
          { additionalProperties: false },
        ),
        response: { 200: ReconciliationAnswer, ...problemAnswers },
      },
    },
    async ({ query: { sender } }) => {
      if (sender !== undefined) {
        const of = (kind: ReconciledKind) => reads.reconcileSender(kind, sender);
        return { payments: await of('payments'), telemetry: await of('telemetry') };
      }
      const report = reconciliation();
      if (report === undefined) {
        const detail =
          'The stored events are being counted, or the store is away. Try again after Retry-After seconds.';
        throw unavailable('reconciliation-unavailable', 'No counts yet', detail);
      }
      return report;
    },
  );

  const statistics = cached((key) => readStats(reads, now(), key), now);
  app.get(
    '/v1/stats',
    {
      schema: {
        operationId: 'get-stats',
        tags: ['operations'],
        summary: 'Payments, decisions by kind and readings over the last minutes; latency; totals.',
        querystring: Type.Object(
          {
            window_seconds: Type.Integer({ minimum: 10, maximum: 86_400, default: 300, description: 'How far back.' }),
            step_seconds: Type.Integer({ minimum: 1, maximum: 3_600, default: 1, description: 'Width of a step.' }),
          },
          { additionalProperties: false },
        ),
        response: { 200: StatsAnswer, ...problemAnswers },
      },
    },
    async ({ query: { window_seconds, step_seconds } }) => {
      if (window_seconds / step_seconds > STEPS_MAX) {
        throw badField('step_seconds', `must be at least ${Math.ceil(window_seconds / STEPS_MAX)} for this window`);
      }
      return await statistics({ windowMs: window_seconds * 1000, stepMs: step_seconds * 1000 });
    },
  );
}

interface StatsKey {
  readonly windowMs: number;
  readonly stepMs: number;
}

async function readStats(reads: Pick<Reads, 'readStatistics'>, nowMs: number, { windowMs, stepMs }: StatsKey) {
  const { steps, readings, latencyMs, totals } = await reads.readStatistics({ nowMs, windowMs, stepMs });
  const stepAt = new Map(steps.map((step) => [step.time, step]));
  const readingsAt = new Map(readings.map((step) => [step.time, step.readings]));
  const series: object[] = [];
  // Every step, also those in which nothing happened: a chart must show a gap as zero.
  for (let ms = Math.floor((nowMs - windowMs) / stepMs) * stepMs; ms <= nowMs; ms += stepMs) {
    const { payments = 0, approve = 0, review = 0, decline = 0 } = stepAt.get(ms) ?? {};
    series.push({ time: time(ms), payments, approve, review, decline, readings: readingsAt.get(ms) ?? 0 });
  }
  return { now: time(nowMs), step_seconds: stepMs / 1000, series, latency_ms: latencyMs ?? null, totals };
}

/** One read for all who ask within `STATS_CACHE_MS`; a failed one is not kept. Bounded by forgetting what is old. */
function cached<Answer>(
  read: (key: StatsKey) => Promise<Answer>,
  now: () => number,
): (key: StatsKey) => Promise<Answer> {
  const answers = new Map<string, { readonly answer: Promise<Answer>; readonly untilMs: number }>();
  return async (key) => {
    for (const [name, { untilMs }] of answers) if (untilMs <= now()) answers.delete(name);
    const name = `${key.windowMs} ${key.stepMs}`;
    const known = answers.get(name);
    if (known !== undefined) return await known.answer;
    const answer = read(key);
    answers.set(name, { answer, untilMs: now() + STATS_CACHE_MS });
    try {
      return await answer;
    } catch (error) {
      answers.delete(name);
      throw error;
    }
  };
}
