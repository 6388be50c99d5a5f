import type { ChangelogFeed } from './changelog-feed.ts';
import type { TaskRunnerOptions } from './task-runner-options.ts';

const PROGRESS_LOG_INTERVAL_MS = 5_000;

export type RestoreOptions = Pick<TaskRunnerOptions, 'restorer' | 'metrics' | 'logger' | 'processor' | 'partition'> & {
  readonly unit: { readonly id: string };
};

/** Brings the stores of a task to where their changelogs end, and says meanwhile how far it is. */
export async function restoreStores(
  feeds: readonly ChangelogFeed[],
  { restorer, metrics, logger, unit, processor, partition }: RestoreOptions,
): Promise<void> {
  const startedAt = performance.now();
  const task = { processor: processor.name, partition: String(partition) };
  const sum = (of: 'records' | 'bytes' | 'remaining') => feeds.reduce((total, feed) => total + feed[of], 0);
  const [recordsBefore, bytesBefore] = [sum('records'), sum('bytes')]; // a standby has read them
  let records = 0;
  let bytes = 0;
  let loggedAt = startedAt;
  const report = (message: string, always: boolean): void => {
    metrics.restoredRecords.inc({ processor: processor.name }, sum('records') - recordsBefore - records);
    metrics.restoredBytes.inc({ processor: processor.name }, sum('bytes') - bytesBefore - bytes);
    records = sum('records') - recordsBefore;
    bytes = sum('bytes') - bytesBefore;
    metrics.restoreRemaining.set(task, sum('remaining'));
    const nowMs = performance.now();
    if (!always && nowMs - loggedAt < PROGRESS_LOG_INTERVAL_MS) return;
    loggedAt = nowMs;
    const restoreMs = Math.round(nowMs - startedAt);
    const recordsPerSecond = Math.round((records * 1_000) / Math.max(1, restoreMs));
    logger.info({ task: unit.id, records, bytes, recordsPerSecond, remaining: sum('remaining'), restoreMs }, message);
  };
  try {
    await Promise.all(feeds.map((feed) => restorer.restore(feed, () => report('restoring', false))));
    report('task ready', true);
  } finally {
    metrics.restoreRemaining.set(task, 0);
    metrics.restoreSeconds.observe({ processor: processor.name }, (performance.now() - startedAt) / 1_000);
  }
}
