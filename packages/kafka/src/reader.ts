import { KafkaError, toKafkaError } from './errors.ts';
import { decodeFetchResponse, type FetchedPartition } from './fetch-response.ts';
import { type Broker, type Cluster, createProtocolError, fetchRequestV11 } from './kafkajs-internals.ts';
import { reconnect } from './reconnect.ts';
import { decodeRecordSet } from './record-batch-decoder.ts';
import type { Isolation, PartitionReader, ReadBatch, ReaderOptions, TopicPartition } from './types.ts';

/** Per partition and fetch; a single larger record still comes (KIP-74). */
const PARTITION_BYTES_MAX_DEFAULT = 512 * 1024;
const FETCH_BYTES_MAX = 8 * 1024 * 1024;
const CONSUMER_REPLICA_ID = -1;
const EARLIEST = -2;
const LATEST = -1;
/** How much longer than the broker may wait for data we wait for the broker. */
const RESPONSE_MARGIN_MS = 10_000;

interface Position {
  readonly topic: string;
  readonly partition: number;
  offset: number | 'start' | 'end';
  paused: boolean;
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

/**
 * A consumer with manual assignment, which kafkajs has not. It uses kafkajs's cluster (connections, TLS, SASL, metadata)
 * and its fetch request, and decodes the answer itself (see record-batch-decoder.ts for why).
 */
export async function createReader(
  cluster: Cluster,
  { isolation, partitionBytesMax = PARTITION_BYTES_MAX_DEFAULT }: ReaderOptions,
): Promise<PartitionReader> {
  const positions = new Map<string, Position>();
  let closed = false;
  try {
    await cluster.connect();
  } catch (error) {
    throw toKafkaError(error, 'connect the reader');
  }

  const update = (partitions: readonly TopicPartition[], change: (position: Position) => void) => {
    for (const partition of partitions) {
      const position = positions.get(keyOf(partition));
      if (position !== undefined) change(position);
    }
  };

  let metadataStale = false;

  const poll = async (maxWaitMs: number): Promise<ReadBatch[]> => {
    const active = [...positions.values()].filter(({ paused }) => !paused);
    if (active.length === 0) return [];
    await cluster.addMultipleTargetTopics([...new Set(active.map(({ topic }) => topic))]);
    await (metadataStale ? cluster.refreshMetadata() : cluster.refreshMetadataIfNecessary());
    metadataStale = false;
    await lookUpNamedOffsets(cluster, isolation, active);
    const byLeader = Map.groupBy(active, ({ topic, partition }) => leaderOf(cluster, topic, partition));
    const answers = await Promise.all(
      [...byLeader].map(([nodeId, parts]) =>
        fetchFrom(cluster, isolation, nodeId, parts, partitionBytesMax, maxWaitMs),
      ),
    );
    // From here on nothing may throw once a position has moved: its records would be lost to the owner. A partition
    // that failed keeps its position, and its error is thrown only when no other has anything to give.
    const batches: ReadBatch[] = [];
    let failure: unknown;
    for (const { requested, answer } of answers.flat()) {
      // Assigned anew, or moved, while the fetch was under way: its answer is about something else.
      if (positions.get(keyOf(requested)) !== requested.position || requested.position.offset !== requested.offset)
        continue;
      try {
        batches.push(advance(requested.position, requested.offset, answer, isolation));
      } catch (error) {
        metadataStale = true;
        failure = error;
      }
    }
    if (failure !== undefined && batches.every(({ records }) => records.length === 0)) throw failure;
    return batches;
  };

  return {
    assign: (partitions) => {
      for (const { topic, partition, offset } of partitions)
        positions.set(keyOf({ topic, partition }), { topic, partition, offset, paused: false });
    },
    unassign: (partitions) => {
      for (const partition of partitions) positions.delete(keyOf(partition));
    },
    pause: (partitions) => update(partitions, (position) => Object.assign(position, { paused: true })),
    resume: (partitions) => update(partitions, (position) => Object.assign(position, { paused: false })),
    position: (partition) => {
      const offset = positions.get(keyOf(partition))?.offset;
      return typeof offset === 'number' ? offset : undefined;
    },
    poll: async ({ maxWaitMs }) => {
      if (closed) throw new KafkaError('closed', 'the reader is closed');
      try {
        return await poll(maxWaitMs);
      } catch (error) {
        const failure = toKafkaError(error, 'fetch');
        if (failure.retriable && !closed) await reconnect(cluster, error);
        throw failure;
      }
    },
    close: async () => {
      closed = true;
      await cluster.disconnect();
    },
  };
}

interface Requested extends TopicPartition {
  readonly position: Position;
  readonly offset: number;
}

async function fetchFrom(
  cluster: Cluster,
  isolation: Isolation,
  nodeId: string,
  positions: readonly Position[],
  partitionBytesMax: number,
  maxWaitMs: number,
): Promise<{ requested: Requested; answer: FetchedPartition }[]> {
  const broker = await cluster.findBroker({ nodeId });
  const requested = positions.map((position) => ({
    topic: position.topic,
    partition: position.partition,
    position,
    offset: position.offset as number,
  }));
  const byTopic = Map.groupBy(requested, ({ topic }) => topic);
  const topics = [...byTopic].map(([topic, parts]) => ({
    topic,
    partitions: parts.map(({ partition, offset }) => ({
      partition,
      fetchOffset: String(offset),
      maxBytes: partitionBytesMax,
    })),
  }));
  const answers = await sendFetch(broker, topics, isolation, maxWaitMs);
  const byKey = new Map(requested.map((partition) => [keyOf(partition), partition]));
  return answers.flatMap((answer) => {
    const partition = byKey.get(keyOf(answer));
    return partition === undefined ? [] : [{ requested: partition, answer }];
  });
}

async function sendFetch(
  broker: Broker,
  topics: Parameters<typeof fetchRequestV11>[0]['topics'],
  isolation: Isolation,
  maxWaitMs: number,
): Promise<FetchedPartition[]> {
  const answer = await broker.connectionPool.send({
    request: fetchRequestV11({
      replicaId: CONSUMER_REPLICA_ID,
      maxWaitTime: maxWaitMs,
      minBytes: 1,
      maxBytes: FETCH_BYTES_MAX,
      isolationLevel: isolation === 'read_committed' ? 1 : 0,
      topics,
    }),
    response: { decode: async (raw) => decodeFetchResponse(raw), parse: async (decoded) => decoded },
    requestTimeout: maxWaitMs + RESPONSE_MARGIN_MS,
  });
  return answer as FetchedPartition[];
}

/** Takes an answer into the position, and returns what its owner gets to see. */
function advance(position: Position, offset: number, answer: FetchedPartition, isolation: Isolation): ReadBatch {
  if (answer.errorCode !== 0) {
    throw toKafkaError(
      createProtocolError(answer.errorCode),
      `fetch ${position.topic}-${position.partition} from ${offset}`,
    );
  }
  const { records, nextOffset } = decodeRecordSet(
    answer.recordSet,
    position,
    offset,
    isolation === 'read_committed' ? answer.aborted : [],
  );
  const endOffset = isolation === 'read_committed' ? answer.lastStableOffset : answer.highWatermark;
  position.offset = Math.max(offset, nextOffset);
  return { topic: position.topic, partition: position.partition, records, nextOffset: position.offset, endOffset };
}

function leaderOf(cluster: Cluster, topic: string, partition: number): string {
  const leader = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))[0];
  if (leader === undefined)
    throw new KafkaError('unknown-topic', `no leader is known for ${topic}-${partition}`, { retriable: true });
  return leader;
}

/** Turns 'start' and 'end' into offsets. */
async function lookUpNamedOffsets(
  cluster: Cluster,
  isolation: Isolation,
  positions: readonly Position[],
): Promise<void> {
  const named = positions.filter(({ offset }) => typeof offset === 'string');
  for (const position of named) {
    const broker = await cluster.findBroker({ nodeId: leaderOf(cluster, position.topic, position.partition) });
    const timestamp = position.offset === 'start' ? EARLIEST : LATEST;
    const { responses } = await broker.listOffsets({
      isolationLevel: isolation === 'read_committed' ? 1 : 0,
      topics: [{ topic: position.topic, partitions: [{ partition: position.partition, timestamp }] }],
    });
    const offset = responses[0]?.partitions[0]?.offset;
    if (offset === undefined)
      throw new KafkaError('unavailable', `no offset for ${position.topic}-${position.partition}`, { retriable: true });
    if (typeof position.offset === 'string') position.offset = Number(offset);
  }
}
