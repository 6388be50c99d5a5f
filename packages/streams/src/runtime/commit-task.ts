import type { OffsetCommit, TransactionalProducer } from '@millrace/kafka';
import type { Task } from '../task.ts';
import { type AnyProcessor, changelogTopic } from '../topology.ts';
import type { StreamsMetrics } from './metrics.ts';

export interface CommitOptions {
  readonly applicationId: string;
  readonly processor: AnyProcessor;
  readonly partition: number;
  readonly metrics: StreamsMetrics;
}

/**
 * Commits what a task has produced since the last call, with the offsets of what it was made from.
 *
 * Delivery: the one place where something of a task becomes visible to others. After an error nobody knows whether it
 * did: the owner gives up task and producer, and looks at what is committed.
 */
export async function commitTask(
  task: Task,
  producer: TransactionalProducer,
  offsets: readonly OffsetCommit[],
  inputs: number,
  { applicationId, processor, partition, metrics }: CommitOptions,
): Promise<void> {
  const startedAt = performance.now();
  // 1. What the records up to `offsets` have produced; from here on the task collects for the next commit.
  const { records, changes } = task.drain();
  // 2. Outputs and changes as batches. A change goes to the partition of the task, whatever its key.
  const batches = [...records].map(([topic, outputs]) => ({ topic, records: outputs }));
  for (const [store, made] of changes) {
    batches.push({
      topic: changelogTopic(applicationId, processor.name, store),
      records: made.map((change) => ({ ...change, partition })),
    });
  }
  // 3. All of it with the offsets in one transaction.
  try {
    await producer.commitTransaction({ batches, groupId: applicationId, offsets });
  } catch (error) {
    metrics.commits.inc({ processor: processor.name, result: 'failed' });
    throw error;
  }
  // 4. Count what is now certain.
  metrics.commits.inc({ processor: processor.name, result: 'committed' });
  metrics.commitSeconds.observe({ processor: processor.name }, (performance.now() - startedAt) / 1000);
  metrics.commitRecords.inc({ processor: processor.name }, inputs);
  for (const [topic, outputs] of records) metrics.outputs.inc({ processor: processor.name, topic }, outputs.length);
  for (const [store, made] of changes) metrics.changelogRecords.inc({ processor: processor.name, store }, made.length);
}
