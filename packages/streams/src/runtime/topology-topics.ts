import { type KafkaAdmin, KafkaError } from '@millrace/kafka';
import { StreamsError } from '../errors.ts';
import { type AnyProcessor, changelogTopic, type Topic, type Topics, type Topology } from '../topology.ts';

/**
 * Small segments, since the newest one is never compacted and a restore reads all of it; cleaned as soon as a third is
 * out of date. Deleted keys stay as tombstones for an hour: longer than any restore takes.
 */
const CHANGELOG_CONFIG = {
  'cleanup.policy': 'compact',
  'segment.bytes': String(32 * 1024 * 1024),
  'min.cleanable.dirty.ratio': '0.3',
  'delete.retention.ms': String(3_600_000),
};

/**
 * Sees to it that inputs are co-partitioned, and that every task has a partition of each of its changelogs. Throws
 * `unknown-topic`, `co-partitioning` or `partition-mismatch`.
 */
export async function ensureChangelogs(
  admin: KafkaAdmin,
  { applicationId, processors }: Pick<Topology, 'applicationId' | 'processors'>,
): Promise<void> {
  const partitionsOf = new Map(
    await Promise.all(
      processors.map(async (processor) => [processor.name, await coPartitions(admin, processor)] as const),
    ),
  );
  await admin.createTopics(
    processors.flatMap((processor) =>
      changelogsOf(applicationId, processor).map((name) => ({
        name,
        partitions: partitionsOf.get(processor.name) ?? 0,
        config: CHANGELOG_CONFIG,
      })),
    ),
  );
}

/** The number of partitions that all inputs of a processor have. */
async function coPartitions(admin: KafkaAdmin, processor: AnyProcessor): Promise<number> {
  const counts = await Promise.all(
    topicNames(processor.inputs).map(async (topic) => [topic, await admin.partitions(topic)] as const),
  );
  const missing = counts.find(([, count]) => count === undefined);
  if (missing !== undefined)
    throw new KafkaError(
      'unknown-topic',
      `topic ${missing[0]}, an input of ${processor.name}, does not exist: create the topics first`,
    );
  if (new Set(counts.map(([, count]) => count)).size > 1) {
    const found = counts.map(([topic, count]) => `${topic} ${count}`).join(', ');
    throw new StreamsError(
      'co-partitioning',
      `inputs of ${processor.name} must have the same number of partitions; found ${found}. Create them alike, or repartition one.`,
    );
  }
  return counts[0]?.[1] ?? 0;
}

export const globalTopics = ({ processors }: Pick<Topology, 'processors'>): Topic<unknown>[] => [
  ...new Map(
    processors.flatMap(({ globals }) =>
      Object.values((globals ?? {}) as Record<string, Topic<unknown>>).map((topic) => [topic.name, topic] as const),
    ),
  ).values(),
];

export const changelogsOf = (applicationId: string, { name, stores }: AnyProcessor): string[] =>
  Object.keys(stores ?? {}).map((store) => changelogTopic(applicationId, name, store));

export const topicNames = (topics: Topics): string[] => Object.values(topics).map(({ name }) => name);

/** Names a task, within its application, in transactional ids and logs. */
export const taskId = (processor: string, partition: number): string => `${processor}-${partition}`;

export function parseTaskId(id: string): { processor: string; partition: number } {
  const at = id.lastIndexOf('-');
  return { processor: id.slice(0, at), partition: Number(id.slice(at + 1)) };
}

/** The transactional id of a task: one for all that may own it, so that each fences the one before it. */
export const transactionalIdOf = (applicationId: string, task: string): string => `${applicationId}-${task}`;
