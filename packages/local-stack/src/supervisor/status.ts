import { getText } from '../probe.ts';
import type { Part } from './part.ts';
import type { ServicePart } from './plan.ts';
import { parseSamples, type Sample } from './prometheus-text.ts';
import { histogramQuantile, Totals } from './totals.ts';

const RECONCILIATION_MS = 5_000;
/** Rates and the p99 are those of about this long before now. */
const WINDOW_MS = 30_000;

export interface Status {
  /** One line on what went through since `npm start`, what it takes, and what does not run. */
  read(parts: readonly Part[]): Promise<string>;
}

interface Reading {
  readonly atMs: number;
  readonly totals: ReadonlyMap<string, number>;
}

interface Faults {
  readonly lost: number;
  readonly duplicated: number;
}

/** Puts the line together from every process's `/metrics` and the API's reconciliation. */
export function createStatus(options: { services: readonly ServicePart[]; api: string }): Status {
  const totals = new Totals();
  const readings: Reading[] = [];
  let faults: Faults | undefined;
  let nextFaultsMs = 0;

  async function readFaults(): Promise<void> {
    if (performance.now() < nextFaultsMs) return;
    nextFaultsMs = performance.now() + RECONCILIATION_MS;
    const text = await getText(`${options.api}/v1/reconciliation`);
    if (text !== undefined) faults = addFaults(JSON.parse(text));
  }

  return {
    async read(parts) {
      await Promise.all([
        readFaults(),
        ...options.services.map(async ({ name, metricsUrl }) => {
          const text = await getText(metricsUrl);
          if (text !== undefined) totals.take(name, parseSamples(text, METRICS), totalOf);
        }),
      ]);
      const reading = { atMs: performance.now(), totals: totals.snapshot() };
      readings.push(reading);
      while (readings.length > 1 && reading.atMs - (readings[0]?.atMs ?? 0) > WINDOW_MS) readings.shift();
      return statusLine(reading, readings[0] ?? reading, faults, parts);
    },
  };
}

function statusLine(now: Reading, before: Reading, faults: Faults | undefined, parts: readonly Part[]): string {
  const count = (name: string): number => now.totals.get(name) ?? 0;
  const seconds = Math.max((now.atMs - before.atMs) / 1_000, 1);
  const rate = (name: string): string => `${Math.round((count(name) - (before.totals.get(name) ?? 0)) / seconds)}/s`;
  const p99 = latencyP99(now, before);
  return [
    `payments ${thousands(count('payments'))} (${rate('payments')})`,
    `readings ${thousands(count('readings'))} (${rate('readings')})`,
    `decisions ${thousands(count('decisions'))}`,
    `alerts ${thousands(count('alerts'))}`,
    `rows ${thousands(count('rows'))}`,
    `p99 ${p99 === undefined ? '-' : `${Math.round(p99 * 1_000)} ms`}`,
    `lost ${faults?.lost ?? '-'}`,
    `duplicated ${faults?.duplicated ?? '-'}`,
    ...parts.filter((part) => part.state !== 'ready').map((part) => `${part.name} ${part.state}`),
  ].join(' | ');
}

const METRICS: ReadonlySet<string> = new Set([
  'millrace_ingest_events_accepted_total',
  'millrace_streams_outputs_total',
  'millrace_sink_rows_stored_total',
  'millrace_end_to_end_seconds_bucket',
]);

/** Under which total of the line a sample counts. Buckets of the latency count under their bound. */
function totalOf({ name, labels }: Sample): string | undefined {
  switch (name) {
    case 'millrace_ingest_events_accepted_total':
      return labels.kind === 'payments' ? 'payments' : labels.kind === 'telemetry' ? 'readings' : undefined;
    case 'millrace_streams_outputs_total':
      if (labels.topic?.endsWith('fraud.decisions')) return 'decisions';
      return /(fraud|telemetry)\.alerts$/.test(labels.topic ?? '') ? 'alerts' : undefined;
    case 'millrace_sink_rows_stored_total':
      return 'rows';
    case 'millrace_end_to_end_seconds_bucket':
      return `${LATENCY}${labels.le}`;
    default:
      return undefined;
  }
}

const LATENCY = 'latency le=';

function latencyP99(now: Reading, before: Reading): number | undefined {
  const buckets = new Map<number, number>();
  for (const [name, count] of now.totals) {
    if (!name.startsWith(LATENCY)) continue;
    const bound = name.slice(LATENCY.length);
    const increase = count - (before.totals.get(name) ?? 0);
    buckets.set(bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound), increase);
  }
  return histogramQuantile(0.99, buckets);
}

/** Of payments and readings together; what the answer does not hold counts as none. */
function addFaults(reconciliation: unknown): Faults {
  let lost = 0;
  let duplicated = 0;
  for (const counts of Object.values(Object(reconciliation))) {
    const of = Object(counts);
    if (typeof of.lost === 'number') lost += of.lost;
    if (typeof of.duplicated === 'number') duplicated += of.duplicated;
  }
  return { lost, duplicated };
}

function thousands(value: number): string {
  return value.toLocaleString('en');
}
