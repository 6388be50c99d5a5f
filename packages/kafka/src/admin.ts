import { setTimeout as sleep } from 'node:timers/promises';
import { AssignerProtocol, type Kafka as KafkaJs } from 'kafkajs';
import { KafkaError, toKafkaError } from './errors.ts';
import type { KafkaAdmin, TopicPartition, TopicSpec } from './types.ts';

const CREATE_TIMEOUT_MS = 15_000;
const CREATE_POLL_MS = 100;
const RETRY_MS_MAX = 5_000;
const RETRY_WAIT_MS = 100;

export async function createAdmin(client: KafkaJs): Promise<KafkaAdmin> {
  const admin = client.admin();
  /** All of it can be repeated. A topic that was just made has no leader yet, or the broker asked has not heard of it. */
  const attempt = async <T>(doing: string, work: () => Promise<T>): Promise<T> => {
    const deadlineMs = Date.now() + RETRY_MS_MAX;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const failure = toKafkaError(error, doing);
        if (!failure.retriable || Date.now() > deadlineMs) throw failure;
        await sleep(RETRY_WAIT_MS);
      }
    }
  };
  await attempt('connect to Kafka', () => admin.connect());

  /** Number of partitions of each of the topics that exist. */
  const partitionCounts = async (names: readonly string[]): Promise<Map<string, number>> => {
    const known = new Set(await admin.listTopics());
    const wanted = names.filter((name) => known.has(name));
    if (wanted.length === 0) return new Map();
    const { topics } = await admin.fetchTopicMetadata({ topics: wanted });
    return new Map(topics.map(({ name, partitions }) => [name, partitions.length]));
  };

  const untilAllExist = async (names: readonly string[]): Promise<Map<string, number>> => {
    for (let waitedMs = 0; ; waitedMs += CREATE_POLL_MS) {
      const counts = await partitionCounts(names);
      const missing = names.filter((name) => !counts.has(name));
      if (missing.length === 0) return counts;
      if (waitedMs >= CREATE_TIMEOUT_MS) {
        throw new KafkaError(
          'unknown-topic',
          `topics not there ${waitedMs} ms after their creation: ${missing.join(', ')}`,
          {
            retriable: true,
          },
        );
      }
      await sleep(CREATE_POLL_MS);
    }
  };

  return {
    createTopics: (specs) =>
      attempt('create topics', async () => {
        const present = await partitionCounts(specs.map(({ name }) => name));
        const missing = specs.filter(({ name }) => !present.has(name));
        if (missing.length > 0) {
          // Two services may do this at the same moment: createTopics answers false when a topic is there by now.
          // Not `waitForLeaders`: it fails when the broker that is asked has not heard of the topic yet.
          await admin.createTopics({
            waitForLeaders: false,
            timeout: CREATE_TIMEOUT_MS,
            topics: missing.map(toTopicConfig),
          });
        }
        const counts = await untilAllExist(specs.map(({ name }) => name));
        for (const { name, partitions } of specs) {
          const count = counts.get(name);
          if (count !== undefined && count !== partitions) {
            throw new KafkaError(
              'partition-mismatch',
              `topic ${name} has ${count} partitions and ${partitions} are wanted; set TOPIC_PARTITIONS=${count}, or start with new topics (TOPIC_PREFIX, or npm run reset on a laptop)`,
            );
          }
        }
      }),
    offsets: (topic) =>
      attempt(`offsets of ${topic}`, async () =>
        (await admin.fetchTopicOffsets(topic))
          .map(({ partition, low, high }) => ({ partition, start: Number(low), end: Number(high) }))
          .sort((a, b) => a.partition - b.partition),
      ),
    committed: (groupId, topics) =>
      attempt(`committed offsets of ${groupId}`, async () =>
        (await admin.fetchOffsets({ groupId, topics: [...topics] })).flatMap(({ topic, partitions }) =>
          partitions.map(({ partition, offset, metadata }) => ({
            topic,
            partition,
            offset: Number(offset),
            metadata: metadata ?? '',
          })),
        ),
      ),
    partitions: (topic) => attempt(`partitions of ${topic}`, async () => (await partitionCounts([topic])).get(topic)),
    deleteTopics: (names) => attempt('delete topics', () => admin.deleteTopics({ topics: [...names] })),
    topics: () => attempt('list topics', () => admin.listTopics()),
    members: (groupId) =>
      attempt(`members of ${groupId}`, async () => {
        const { groups } = await admin.describeGroups([groupId]);
        return (groups[0]?.members ?? []).map(({ clientId, clientHost, memberAssignment }) => ({
          clientId,
          host: clientHost.replace(/^\//, ''),
          partitions: partitionsOf(memberAssignment),
        }));
      }),
    deleteGroup: (groupId) =>
      attempt(`delete group ${groupId}`, async () => {
        const { groups } = await admin.listGroups();
        if (groups.some((group) => group.groupId === groupId)) await admin.deleteGroups([groupId]);
      }),
    close: () => admin.disconnect(),
  };
}

/** Empty while the group is sharing out. */
function partitionsOf(memberAssignment: Buffer): TopicPartition[] {
  const assignment = memberAssignment.length === 0 ? null : AssignerProtocol.MemberAssignment.decode(memberAssignment);
  return Object.entries(assignment?.assignment ?? {}).flatMap(([topic, partitions]) =>
    partitions.map((partition) => ({ topic, partition })),
  );
}

function toTopicConfig({ name, partitions, replicationFactor, config }: TopicSpec) {
  return {
    topic: name,
    numPartitions: partitions,
    replicationFactor: replicationFactor ?? -1, // -1: the broker's default.replication.factor (KIP-464)
    configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
  };
}
