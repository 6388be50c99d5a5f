import type { Logger, Metrics } from '@millrace/observability';
import { type HopCounts, type ReconciledKind, WarehouseError } from '@millrace/warehouse';
import { pause } from '../pause.ts';
import { createKindReconciler, type ReconciliationReads } from './kind-reconciler.ts';

export type Reconciliation = Readonly<Record<ReconciledKind, HopCounts>>;

export interface ReconcilerOptions {
  readonly reads: ReconciliationReads;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Of the topics that the tables are filled from. */
  readonly partitions: number;
  readonly settleMs: number;
  readonly intervalMs: number;
  readonly stallMs?: number;
  readonly now?: () => number;
}

export interface Reconciler {
  /** The newest counts; undefined while there are none that hold. */
  report(): Reconciliation | undefined;
  close(): Promise<void>;
}

/** A partition whose last hop has been silent for this long is not waited for. */
const STALL_MS = 30_000;
/** After a step it pauses at least as long as the step took: it shares its cores with what it watches. */
const PAUSE_RATIO_MIN = 1;
const RETRY_MS_MAX = 10_000;

/**
 * Compares, all the time, what was accepted with what is stored.
 *
 * It keeps nothing of its own: after a restart it reads the ids of all tables once, in steps of bounded size, and goes
 * on from there with what is new. There is no report until that is done, nor while ClickHouse does not answer.
 */
export function startReconciler(options: ReconcilerOptions): Reconciler {
  const { reads, metrics, logger, partitions, settleMs, intervalMs, stallMs = STALL_MS, now = Date.now } = options;
  const kinds = {
    payments: createKindReconciler({ kind: 'payments', reads, partitions, settleMs, stallMs, now }),
    telemetry: createKindReconciler({ kind: 'telemetry', reads, partitions, settleMs, stallMs, now }),
  };
  const instruments = createInstruments(metrics);
  const stopping = new AbortController();
  let report: Reconciliation | undefined;
  let failures = 0;

  /** Returns how long to pause. */
  async function step(): Promise<number> {
    const startedMs = now();
    const rows = await reads.countRows();
    const payments = await kinds.payments.step(rows);
    const telemetry = await kinds.telemetry.step(rows);
    const caughtUp = payments && telemetry;
    if (caughtUp || report !== undefined) {
      report = { payments: kinds.payments.counts(), telemetry: kinds.telemetry.counts() };
      instruments.show(report);
    }
    for (const [kind, { underWay }] of Object.entries(kinds)) instruments.underWay.set({ kind }, underWay());
    const tookMs = now() - startedMs;
    instruments.seconds.observe(tookMs / 1000);
    return Math.max(caughtUp ? intervalMs - tookMs : 0, tookMs * PAUSE_RATIO_MIN);
  }

  function failed(error: unknown): number {
    failures += 1;
    report = undefined;
    instruments.failures.inc();
    // Said once, not at every attempt.
    if (failures === 1) logFailure(logger, error);
    return Math.min(RETRY_MS_MAX, intervalMs * failures);
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      let pauseMs: number;
      try {
        pauseMs = await step();
        if (failures > 0) logger.info({ failures }, 'reconciliation goes on');
        failures = 0;
      } catch (error) {
        pauseMs = failed(error);
      }
      await pause(pauseMs, stopping.signal);
    }
  }

  const running = run();
  return {
    report: () => report,
    close: async () => {
      stopping.abort();
      await running;
    },
  };
}

/** At first the tables are missing, because the sink makes them; a statement that ClickHouse refuses is our fault. */
function logFailure(logger: Logger, error: unknown): void {
  if (error instanceof WarehouseError && error.code !== 'query') {
    logger.info({ reason: error.message }, 'reconciliation waits for ClickHouse');
  } else {
    logger.error({ err: error }, 'reconciliation failed; trying again');
  }
}

function createInstruments(metrics: Metrics) {
  const byKind = (name: string, help: string) => metrics.gauge({ name, help, labels: ['kind'] });
  const lost = byKind('reconciliation_lost', 'Settled events that were accepted and are not stored.');
  const duplicated = byKind('reconciliation_duplicated', 'Rows beyond one per event.');
  const events = metrics.gauge({
    name: 'reconciliation_events',
    help: 'Distinct settled events at each hop.',
    labels: ['kind', 'hop'],
  });
  return {
    underWay: byKind('reconciliation_under_way', 'Events that some hop has not shown yet.'),
    seconds: metrics.histogram({ name: 'reconciliation_step_seconds', help: 'Time of one step.' }),
    failures: metrics.counter({ name: 'reconciliation_failures_total', help: 'Steps that failed and are repeated.' }),
    show(report: Reconciliation): void {
      for (const [kind, counts] of Object.entries(report)) {
        lost.set({ kind }, counts.lost);
        duplicated.set({ kind }, counts.duplicated);
        for (const hop of ['accepted', 'raw', 'enriched', 'decided', 'stored'] as const) {
          events.set({ kind, hop }, counts[hop]);
        }
      }
    },
  };
}
