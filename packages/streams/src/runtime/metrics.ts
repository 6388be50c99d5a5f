import type { Metrics } from '@millrace/observability';

const COMMIT_BUCKETS_SECONDS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5];
const RESTORE_BUCKETS_SECONDS = [0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300];

export type StreamsMetrics = ReturnType<typeof createStreamsMetrics>;

/** Labels are bounded: processors, inputs and outputs by the topology, partitions by the topics, reasons by codes. */
export function createStreamsMetrics(metrics: Metrics) {
  return {
    records: metrics.counter({
      name: 'streams_records_total',
      help: 'Records processed.',
      labels: ['processor', 'input'],
    }),
    outputs: metrics.counter({
      name: 'streams_outputs_total',
      help: 'Records committed to output topics.',
      labels: ['processor', 'topic'],
    }),
    late: metrics.counter({
      name: 'streams_late_total',
      help: 'Records that came late, by reason.',
      labels: ['processor', 'input', 'reason'],
    }),
    deadLetters: metrics.counter({
      name: 'streams_dead_letters_total',
      help: 'Records put aside, by reason.',
      labels: ['processor', 'reason'],
    }),
    commits: metrics.counter({
      name: 'streams_commits_total',
      help: 'Transactions, by result.',
      labels: ['processor', 'result'],
    }),
    commitSeconds: metrics.histogram({
      name: 'streams_commit_seconds',
      help: 'Time from the start of a transaction to its commit.',
      labels: ['processor'],
      buckets: COMMIT_BUCKETS_SECONDS,
    }),
    commitRecords: metrics.counter({
      name: 'streams_committed_records_total',
      help: 'Input records covered by committed transactions.',
      labels: ['processor'],
    }),
    changelogRecords: metrics.counter({
      name: 'streams_changelog_records_total',
      help: 'Records committed to changelogs.',
      labels: ['processor', 'store'],
    }),
    restoreSeconds: metrics.histogram({
      name: 'streams_restore_seconds',
      help: 'Time to rebuild the stores of a task.',
      labels: ['processor'],
      buckets: RESTORE_BUCKETS_SECONDS,
    }),
    restoredRecords: metrics.counter({
      name: 'streams_restored_records_total',
      help: 'Changelog records read to rebuild stores.',
      labels: ['processor'],
    }),
    restoredBytes: metrics.counter({
      name: 'streams_restored_bytes_total',
      help: 'Bytes of keys and values read to rebuild stores.',
      labels: ['processor'],
    }),
    restoreRemaining: metrics.gauge({
      name: 'streams_restore_remaining_records',
      help: 'Changelog records that a restore has before it, at most: offsets without a record count.',
      labels: ['processor', 'partition'],
    }),
    standbyLag: metrics.gauge({
      name: 'streams_standby_lag_records',
      help: 'Changelog records that a standby in this instance has not read yet, at most.',
      labels: ['processor', 'partition'],
    }),
    standbys: metrics.gauge({ name: 'streams_standbys', help: 'Tasks of other instances that this one keeps warm.' }),
    rebuilds: metrics.counter({
      name: 'streams_task_rebuilds_total',
      help: 'Tasks closed and rebuilt after an error, by its code.',
      labels: ['processor', 'reason'],
    }),
    running: metrics.gauge({ name: 'streams_tasks_running', help: 'Tasks that process, of those assigned.' }),
    assigned: metrics.gauge({ name: 'streams_tasks_assigned', help: 'Tasks assigned to this instance.' }),
    lag: metrics.gauge({
      name: 'streams_lag_records',
      help: 'Records of the input not processed yet.',
      labels: ['processor', 'topic', 'partition'],
    }),
    queued: metrics.gauge({
      name: 'streams_queued_records',
      help: 'Records fetched and not processed yet.',
      labels: ['processor', 'partition'],
    }),
    streamTime: metrics.gauge({
      name: 'streams_stream_time_seconds',
      help: 'Stream time of a task, seconds since the epoch.',
      labels: ['processor', 'partition'],
    }),
    storeKeys: metrics.gauge({
      name: 'streams_store_keys',
      help: 'Keys in a store.',
      labels: ['processor', 'store', 'partition'],
    }),
  };
}
