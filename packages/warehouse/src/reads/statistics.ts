import { type Connection, read } from './connection.ts';

/** What one step of the series holds; `time` is its start in epoch milliseconds. A step without payments is left out. */
export interface StatisticsStep {
  readonly time: number;
  readonly payments: number;
  readonly approve: number;
  readonly review: number;
  readonly decline: number;
}

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
}

export interface Statistics {
  readonly steps: readonly StatisticsStep[];
  readonly readings: readonly { readonly time: number; readonly readings: number }[];
  /** From acceptance by ingest, over the last `LATENCY_WINDOW_MS`; undefined when nothing was decided in it. */
  readonly latencyMs: { readonly decided: Quantiles; readonly stored: Quantiles } | undefined;
  /** Rows since the beginning. */
  readonly totals: {
    readonly payments: number;
    readonly decisions: number;
    readonly alerts: number;
    readonly readings: number;
    readonly dead_letters: number;
    readonly rows: number;
  };
}

export const LATENCY_WINDOW_MS = 60_000;

/**
 * Series of the last `windowMs` in steps of `stepMs` by the time of acceptance, and latencies. Costs a read of the
 * window's rows in three narrow columns; the totals are counted from metadata.
 */
export async function readStatistics(
  connection: Connection,
  { nowMs, windowMs, stepMs }: { readonly nowMs: number; readonly windowMs: number; readonly stepMs: number },
): Promise<Statistics> {
  const params = { from_ms: Math.floor((nowMs - windowMs) / stepMs) * stepMs, step_ms: stepMs };
  const step = 'intDiv(toUnixTimestamp64Milli(ingested_at), {step_ms:Int64}) * {step_ms:Int64}';
  const since = `ingested_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')`;
  const [steps, readings, [latency], [totals]] = await Promise.all([
    read<StatisticsStep>(
      connection,
      `SELECT ${step} AS time, count() AS payments, countIf(decision = 'approve') AS approve,
         countIf(decision = 'review') AS review, countIf(decision = 'decline') AS decline
       FROM decisions WHERE ${since} GROUP BY time ORDER BY time`,
      params,
    ),
    read<Statistics['readings'][number]>(
      connection,
      `SELECT ${step} AS time, count() AS readings FROM telemetry_raw WHERE ${since} GROUP BY time ORDER BY time`,
      params,
    ),
    read<{ rows: number; decided: [number, number]; stored: [number, number] }>(
      connection,
      `SELECT count() AS rows,
         quantilesExact(0.5, 0.99)(toUnixTimestamp64Milli(decided_at) - toUnixTimestamp64Milli(ingested_at)) AS decided,
         quantilesExact(0.5, 0.99)(toUnixTimestamp64Milli(_stored_at) - toUnixTimestamp64Milli(ingested_at)) AS stored
       FROM decisions WHERE ${since}`,
      { from_ms: nowMs - LATENCY_WINDOW_MS },
    ),
    read<Omit<Statistics['totals'], 'rows'> & { telemetry: number }>(
      connection,
      `SELECT (SELECT count() FROM payments) AS payments, (SELECT count() FROM decisions) AS decisions,
         (SELECT count() FROM alerts) AS alerts, (SELECT count() FROM telemetry_raw) AS readings,
         (SELECT count() FROM telemetry) AS telemetry, (SELECT count() FROM dead_letters) AS dead_letters`,
    ),
  ]);
  if (totals === undefined) throw new TypeError('A SELECT without FROM gives one row.');
  const { telemetry, ...counts } = totals;
  return {
    steps,
    readings,
    latencyMs:
      latency === undefined || latency.rows === 0
        ? undefined
        : { decided: quantiles(latency.decided), stored: quantiles(latency.stored) },
    totals: { ...counts, rows: counts.payments + counts.decisions + counts.alerts + telemetry + counts.dead_letters },
  };
}

function quantiles([p50, p99]: readonly [number, number]): Quantiles {
  return { p50, p99 };
}
