import { AssignerProtocol, type Kafka as KafkaJs, type PartitionAssigner } from 'kafkajs';
import { KafkaError, toKafkaError } from './errors.ts';
import { shareOut, shareOutStandbys } from './share-out.ts';
import type {
  Assignment,
  AssignmentUnit,
  GroupMembership,
  GroupOptions,
  KafkaLogger,
  TopicPartition,
} from './types.ts';

/**
 * A member that was killed keeps its partitions for so long. The least that a broker allows by default
 * (`group.min.session.timeout.ms`), and six heartbeats.
 */
const SESSION_TIMEOUT_MS = 6_000;
const REBALANCE_TIMEOUT_MS = 10_000;
const HEARTBEAT_INTERVAL_MS = 1_000;
/** With all partitions paused, kafkajs looks for a due heartbeat this often. */
const IDLE_WAIT_MS = 250;
/** Between two attempts to join again after kafkajs has given up, each of which tries long by itself. */
const REJOIN_MS = 1_000;
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
  let current: Assignment = { generation: -1, units: [], standbys: [] };
  let rebalancing = false;
  let closed = false;
  let rejoinTimer: NodeJS.Timeout | undefined;

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
          userData: encodeHeld(current),
        }),
      }),
      assign: async ({ members }) => {
        const all = options.unitsOf(partitionCount);
        const claims = members.map(({ memberId, memberMetadata }) => ({ memberId, ...decodeHeld(memberMetadata) }));
        const kinds = new Map(all.map(({ id, kind }) => [id, kind ?? '']));
        const shares = shareOut(idsOf(all), claims, (id) => kinds.get(id) ?? '');
        const warmable = all.filter(({ standbyPartitions }) => standbyPartitions !== undefined);
        const standbys = shareOutStandbys(idsOf(warmable), options.standbys ?? 0, shares, claims);
        const byId = new Map(all.map((unit) => [unit.id, unit]));
        return [...shares].map(([memberId, ids]) => ({
          memberId,
          memberAssignment: AssignerProtocol.MemberAssignment.encode({
            version: ASSIGNER_VERSION,
            assignment: toPartitionsByTopic([
              ...ids.flatMap((id) => byId.get(id)?.partitions ?? []),
              ...(standbys.get(memberId) ?? []).flatMap((id) => byId.get(id)?.standbyPartitions ?? []),
            ]),
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
    const has = (partitions: readonly TopicPartition[] | undefined) =>
      partitions?.every(({ topic, partition }) => assigned.has(`${topic}/${partition}`)) === true;
    const all = options.unitsOf((topic) => counts.get(topic) ?? 0);
    const units = all.filter(({ partitions }) => has(partitions));
    const standbys = all.filter(({ standbyPartitions }) => has(standbyPartitions));
    // kafkajs does not tell the generation id; a count of our joins serves the same end within this process.
    current = { generation: current.generation + 1, units, standbys };
    rebalancing = false;
    logger.info({ groupId: options.groupId, owned: idsOf(units), standbys: idsOf(standbys) }, 'joined the group');
    options.onAssigned(current);
  });
  consumer.on(consumer.events.REBALANCING, () => {
    // From here to GROUP_JOIN kafkajs may already hold the new generation's id: a commit for the old one would pass.
    rebalancing = true;
  });
  consumer.on(consumer.events.REQUEST, ({ payload: { apiName } }) => {
    // A member that the broker has forgotten joins again without a word: this is its answer, before anybody has read it.
    if (apiName === 'JoinGroup') rebalancing = true;
  });
  consumer.on(consumer.events.STOP, () => {
    // It may join again; until then it has no generation, and a commit would be an error of another kind.
    rebalancing = true;
  });
  const run = () => consumer.run({ autoCommit: false, eachBatch: async () => undefined });
  const failed = (error: unknown) => options.onFatal(toKafkaError(error, `membership of group ${options.groupId}`));
  consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
    if (restart || closed) return;
    // kafkajs gives up where it finds no coordinator, which is all that can be seen of a broker that is away.
    if (!toKafkaError(error, '').retriable) return failed(error);
    logger.warn({ groupId: options.groupId, err: error, rejoinMs: REJOIN_MS }, 'lost the group; joining it again');
    rejoinTimer = setTimeout(() => run().catch(failed), REJOIN_MS);
  });

  try {
    const admin = client.admin();
    await admin.connect();
    const { topics } = await admin.fetchTopicMetadata({ topics: [...options.topics] });
    for (const { name, partitions } of topics) counts.set(name, partitions.length);
    await admin.disconnect();
    await consumer.connect();
    await consumer.subscribe({ topics: [...options.topics] });
    await run();
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
      clearTimeout(rejoinTimer);
      await consumer.disconnect();
    },
  };
}

/** What a member tells the leader of what it holds. */
function encodeHeld({ units, standbys }: Assignment): Buffer {
  return Buffer.from(JSON.stringify({ owned: idsOf(units), warm: idsOf(standbys) }), 'utf8');
}

function decodeHeld(metadata: Buffer): { owned: string[]; warm: string[] } {
  const userData = AssignerProtocol.MemberMetadata.decode(metadata)?.userData;
  const held: unknown = userData === undefined || userData.length === 0 ? {} : JSON.parse(userData.toString('utf8'));
  const { owned, warm } = held as { owned?: unknown; warm?: unknown };
  return { owned: strings(owned), warm: strings(warm) };
}

const strings = (list: unknown): string[] =>
  Array.isArray(list) ? list.filter((id): id is string => typeof id === 'string') : [];

const idsOf = (units: readonly AssignmentUnit[]): string[] => units.map(({ id }) => id);

function toPartitionsByTopic(partitions: readonly { topic: string; partition: number }[]): Record<string, number[]> {
  const byTopic: Record<string, number[]> = {};
  for (const { topic, partition } of partitions) {
    byTopic[topic] ??= [];
    byTopic[topic].push(partition);
  }
  return byTopic;
}
