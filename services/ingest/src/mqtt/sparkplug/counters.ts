import type { Metrics } from '@millrace/observability';
import type { SkipReason } from './values.ts';

export interface SparkplugCounters {
  skipped(reason: SkipReason): void;
  /** A sequence number was not the next one: something of the node did not arrive. */
  gap(): void;
  rebirth(outcome: 'requested' | 'put-off' | 'impossible'): void;
  /** A node was forgotten, so that others can be remembered. */
  forgotten(): void;
}

export function createSparkplugCounters(
  metrics: Metrics,
  known: () => { readonly nodes: number; readonly metrics: number },
): SparkplugCounters {
  const skipped = metrics.counter({
    name: 'ingest_sparkplug_skipped_total',
    help: 'Sparkplug metrics that have no place in a reading, and deaths of earlier connections.',
    labels: ['reason'],
  });
  const gaps = metrics.counter({
    name: 'ingest_sparkplug_gaps_total',
    help: 'Sequence numbers of edge nodes that were not the next one: messages were lost on their way.',
  });
  const rebirths = metrics.counter({
    name: 'ingest_sparkplug_rebirths_total',
    help: 'Births that edge nodes were asked for, put off by the limit, or that cannot be asked for (the own listener).',
    labels: ['outcome'],
  });
  const forgotten = metrics.counter({
    name: 'ingest_sparkplug_nodes_forgotten_total',
    help: 'Edge nodes whose births were forgotten for others; they are asked for them when they send again.',
  });
  metrics.gauge({
    name: 'ingest_sparkplug_nodes',
    help: 'Edge nodes that are known.',
    collect: (gauge) => gauge.set(known().nodes),
  });
  metrics.gauge({
    name: 'ingest_sparkplug_metrics',
    help: 'Metrics of the births that are remembered.',
    collect: (gauge) => gauge.set(known().metrics),
  });
  return {
    skipped: (reason) => skipped.inc({ reason }),
    gap: () => gaps.inc(),
    rebirth: (outcome) => rebirths.inc({ outcome }),
    forgotten: () => forgotten.inc(),
  };
}
