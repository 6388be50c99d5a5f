import type { Metrics } from '@millrace/observability';
import type { TopologyOptions } from './topology.ts';

/** Counts what is dropped. */
export function createDuplicatesObserver(metrics: Metrics): TopologyOptions['onDuplicate'] {
  const duplicates = metrics.counter({
    name: 'millrace_enricher_duplicates_total',
    help: 'Events dropped because they had been seen: the same again, or another event under a known id (conflict).',
    labels: ['kind', 'conflict'],
  });
  return (kind, conflict) => duplicates.inc({ kind, conflict: String(conflict) });
}
