import type { Metrics } from '@millrace/observability';

const BLOCK_ROWS_BUCKETS = [1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000, 20_000];
const END_TO_END_SECONDS_BUCKETS = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300];

export type SinkMetrics = ReturnType<typeof createSinkMetrics>;

export function createSinkMetrics(metrics: Metrics) {
  return {
    rowsStored: metrics.counter({
      name: 'sink_rows_stored_total',
      help: 'Rows inserted into ClickHouse by this process.',
      labels: ['table'],
    }),
    insertSeconds: metrics.histogram({
      name: 'sink_insert_seconds',
      help: 'Duration of an insert that succeeded.',
      labels: ['table'],
    }),
    blockRows: metrics.histogram({
      name: 'sink_block_rows',
      help: 'Rows of a block.',
      labels: ['table'],
      buckets: BLOCK_ROWS_BUCKETS,
    }),
    lagRecords: metrics.gauge({
      name: 'sink_lag_records',
      help: 'Offsets between what is stored and the end of the topic, all partitions together.',
      labels: ['topic'],
    }),
    redoneIntents: metrics.counter({
      name: 'sink_redone_intents_total',
      help: 'Blocks of a predecessor that were found under way, by whether ClickHouse had them already.',
      labels: ['topic', 'outcome'],
    }),
    retries: metrics.counter({
      name: 'sink_retries_total',
      help: 'Attempts that failed for an outside reason and are made again.',
      labels: ['topic', 'doing'],
    }),
    paused: metrics.gauge({
      name: 'sink_paused',
      help: '1 while a topic is not read because Kafka or ClickHouse does not answer.',
      labels: ['topic'],
    }),
    refused: metrics.counter({
      name: 'sink_refused_records_total',
      help: 'Records that cannot be a row; dead letters, except from the raw topics.',
      labels: ['topic', 'reason'],
    }),
    lostOffsets: metrics.counter({
      name: 'sink_lost_offsets_total',
      help: 'Offsets that the topic had deleted before they were stored. Raise its retention.',
      labels: ['topic'],
    }),
    endToEndSeconds: metrics.histogram({
      name: 'end_to_end_seconds',
      help: 'From the acceptance of a payment by ingest until its decision can be queried.',
      buckets: END_TO_END_SECONDS_BUCKETS,
    }),
  };
}
