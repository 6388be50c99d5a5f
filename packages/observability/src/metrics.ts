import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { ObservabilityError } from './errors.ts';

export type { Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface MetricOptions<Label extends string> {
  /** `snake_case`, unit last (`_seconds`, `_bytes`, `_total`); the `millrace_` prefix is put in front where it is missing. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly Label[];
}

export interface CounterOptions<Label extends string> extends MetricOptions<Label> {
  /** Called at every scrape, for what was counted elsewhere meanwhile: an increment with labels costs half a microsecond. */
  readonly collect?: (counter: Counter<Label>) => void;
}

export interface GaugeOptions<Label extends string> extends MetricOptions<Label> {
  /** Called at every scrape, for a value that is cheaper to ask for than to keep. */
  readonly collect?: (gauge: Gauge<Label>) => void | Promise<void>;
}

export interface HistogramOptions<Label extends string> extends MetricOptions<Label> {
  /** Upper bounds in the metric's unit; default `LATENCY_BUCKETS_SECONDS`. */
  readonly buckets?: readonly number[];
}

/**
 * Metrics of one process. Asking twice for a name gives the same metric, so that each of many tasks may ask for it;
 * asking for it as another kind or with other labels is a programmer's error (`metric-mismatch`).
 */
export interface Metrics {
  readonly registry: Registry;
  counter<Label extends string = never>(options: CounterOptions<Label>): Counter<Label>;
  gauge<Label extends string = never>(options: GaugeOptions<Label>): Gauge<Label>;
  histogram<Label extends string = never>(options: HistogramOptions<Label>): Histogram<Label>;
}

/** From 1 ms to 10 s: an acknowledgement is expected in the first third, a decision in the second. */
export const LATENCY_BUCKETS_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

const PREFIX = 'millrace_';

/** A registry of its own (never prom-client's global one) with the process's default metrics and a `service` label. */
export function createMetrics(service: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });

  function once<M>(name: string, kind: new (...args: never[]) => M, labels: readonly string[], create: () => M): M {
    const existing: unknown = registry.getSingleMetric(name);
    if (existing === undefined) return create();
    const sameLabels = 'labelNames' in Object(existing) && String(Object(existing).labelNames) === String(labels);
    if (existing instanceof kind && sameLabels) return existing;
    throw new ObservabilityError(
      'metric-mismatch',
      `Metric ${name} exists already as another kind or with other labels. Give one of the two another name.`,
    );
  }

  return {
    registry,
    counter({ name, help, labels = [], collect }) {
      const base = describeMetric(name, help, labels);
      return once(base.name, Counter, labels, () => {
        const counter: Counter<(typeof labels)[number]> = new Counter({
          ...base,
          registers: [registry],
          ...(collect && { collect: () => collect(counter) }),
        });
        return counter;
      });
    },
    gauge({ name, help, labels = [], collect }) {
      const base = describeMetric(name, help, labels);
      return once(base.name, Gauge, labels, () => {
        const gauge: Gauge<(typeof labels)[number]> = new Gauge({
          ...base,
          registers: [registry],
          ...(collect && { collect: () => collect(gauge) }),
        });
        return gauge;
      });
    },
    histogram({ name, help, labels = [], buckets = LATENCY_BUCKETS_SECONDS }) {
      const base = describeMetric(name, help, labels);
      return once(
        base.name,
        Histogram,
        labels,
        () => new Histogram({ ...base, buckets: [...buckets], registers: [registry] }),
      );
    },
  };
}

function describeMetric<Label extends string>(name: string, help: string, labels: readonly Label[]) {
  return { name: name.startsWith(PREFIX) ? name : PREFIX + name, help, labelNames: [...labels] };
}
