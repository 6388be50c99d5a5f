import { AssignerProtocol, type Kafka as KafkaJs, type PartitionAssigner } from 'kafkajs';
import { KafkaError, toKafkaError } from './errors.ts';
import { shareOut } from './share-out.ts';
import type { Assignment, AssignmentUnit, GroupMembership, GroupOptions, KafkaLogger } from './types.ts';

/**
 * A member that was killed keeps its partitions for so long. The least that a broker allows by default
 * (`group.min.session.timeout.ms`), and six heartbeats.
 */
const SESSION_TIMEOUT_MS = 6_000;
const REBALANCE_TIMEOUT_MS = 10_000;
const HEARTBEAT_INTERVAL_MS = 1_000;
/** With all partitions paused, kafkajs looks for a due heartbeat this often. */
const IDLE_WAIT_MS = 250;
const ASSIGNER_VERSION = 1;
const RETRY = { initialRetryTime: 100, multiplier: 1.5, maxRetryTime: 2_000, retries: 20 };

/**
 * Joins a consumer group for its membership only. kafkajs keeps the session (join, sync, heartbeat) and hands out
 * partitions through our assigner; fetching is paused for good, since the data comes through a `PartitionReader`.
 *
 * A rebalance does not stop anybody: members keep what they own until the new generation tells them otherwise, and
 * fencing (of the transactional id, or of the generation in `commit`) keeps a member that has not heard of it yet
 * from doing harm.
 */
export async function joinGroup(client: KafkaJs, options: GroupOptions, logger: KafkaLogger): Promise<GroupMembership> {
  let current: Assignment = { generation: -1, units: [] };
  let owned: readonly string[] = [];
  let units = new Map<string, AssignmentUnit>();
  let rebalancing = false;
  let closed = false;

  const createAssigner: PartitionAssigner = ({ cluster }) => {
    const partitionCount = (topic: string) => cluster.findTopicPartitionMetadata(topic).length;
    return {
      name: 'millrace-units',
      version: ASSIGNER_VERSION,
      protocol: ({ topics }) => ({
        name: 'millrace-units',
        metadata: AssignerProtocol.MemberMetadata.encode({
          version: ASSIGNER_VERSION,
          topics,
          userData: Buffer.from(JSON.stringify(owned), 'utf8'),
        }),
      }),
      assign: async ({ members }) => {
        const all = options.unitsOf(partitionCount);
        const shares = shareOut(
          all.map(({ id }) => id),
          members.map(({ memberId, memberMetadata }) => ({ memberId, owned: decodeOwned(memberMetadata) })),
        );
        const byId = new Map(all.map((unit) => [unit.id, unit]));
        return [...shares].map(([memberId, ids]) => ({
          memberId,
          memberAssignment: AssignerProtocol.MemberAssignment.encode({
            version: ASSIGNER_VERSION,
            assignment: toPartitionsByTopic(ids.flatMap((id) => byId.get(id)?.partitions ?? [])),
            userData: Buffer.alloc(0),
          }),
        }));
      },
    };
  };

  const consumer = client.consumer({
    groupId: options.groupId,
    partitionAssigners: [createAssigner],
    sessionTimeout: SESSION_TIMEOUT_MS,
    rebalanceTimeout: REBALANCE_TIMEOUT_MS,
    heartbeatInterval: HEARTBEAT_INTERVAL_MS,
    maxWaitTimeInMs: IDLE_WAIT_MS,
    allowAutoTopicCreation: false,
    retry: { ...RETRY, restartOnFailure: async () => !closed },
  });
  const counts = new Map<string, number>();

  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    consumer.pause(options.topics.map((topic) => ({ topic })));
    const assigned = new Set(
      Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
        (partitions as number[]).map((partition) => `${topic}/${partition}`),
      ),
    );
    units = new Map(options.unitsOf((topic) => counts.get(topic) ?? 0).map((unit) => [unit.id, unit]));
    const mine = [...units.values()].filter((unit) =>
      unit.partitions.every(({ topic, partition }) => assigned.has(`${topic}/${partition}`)),
    );
    owned = mine.map(({ id }) => id);
    // kafkajs does not tell the generation id; a count of our joins serves the same end within this process.
    current = { generation: current.generation + 1, units: mine };
    rebalancing = false;
    logger.info({ groupId: options.groupId, owned }, 'joined the group');
    options.onAssigned(current);
  });
  consumer.on(consumer.events.REBALANCING, () => {
    // From here to GROUP_JOIN kafkajs may already hold the new generation's id: a commit for the old one would pass.
    rebalancing = true;
  });
  consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
    if (!restart && !closed) options.onFatal(toKafkaError(error, `membership of group ${options.groupId}`));
  });

  try {
    const admin = client.admin();
    await admin.connect();
    const { topics } = await admin.fetchTopicMetadata({ topics: [...options.topics] });
    for (const { name, partitions } of topics) counts.set(name, partitions.length);
    await admin.disconnect();
    await consumer.connect();
    await consumer.subscribe({ topics: [...options.topics] });
    await consumer.run({ autoCommit: false, eachBatch: async () => undefined });
  } catch (error) {
    throw toKafkaError(error, `join group ${options.groupId}`);
  }

  return {
    commit: async (generation, offsets) => {
      if (rebalancing || generation !== current.generation)
        throw new KafkaError('fenced', `generation ${generation} of group ${options.groupId} is over`);
      try {
        await consumer.commitOffsets(
          offsets.map(({ topic, partition, offset, metadata }) => ({
            topic,
            partition,
            offset: String(offset),
            metadata: metadata ?? null,
          })),
        );
      } catch (error) {
        throw toKafkaError(error, `commit offsets of ${options.groupId}`);
      }
    },
    close: async () => {
      closed = true;
      await consumer.disconnect();
    },
  };
}

function decodeOwned(metadata: Buffer): string[] {
  const userData = AssignerProtocol.MemberMetadata.decode(metadata)?.userData;
  if (userData === undefined || userData.length === 0) return [];
  const owned: unknown = JSON.parse(userData.toString('utf8'));
  return Array.isArray(owned) ? owned.filter((id): id is string => typeof id === 'string') : [];
}

function toPartitionsByTopic(partitions: readonly { topic: string; partition: number }[]): Record<string, number[]> {
  const byTopic: Record<string, number[]> = {};
  for (const { topic, partition } of partitions) {
    byTopic[topic] ??= [];
    byTopic[topic].push(partition);
  }
  return byTopic;
}
