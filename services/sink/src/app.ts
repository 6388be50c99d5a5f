import { setTimeout as delay } from 'node:timers/promises';
import type { Topics } from '@millrace/contracts';
import type { Assignment, GroupMembership, Kafka, KafkaAdmin, Producer } from '@millrace/kafka';
import type { Health, Logger, Metrics } from '@millrace/observability';
import { highestOffsets, type Warehouse } from '@millrace/warehouse';
import { createSinkMetrics, type SinkMetrics } from './metrics.ts';
import { createOutside, createPersist, type Waiting } from './outside.ts';
import { waitOrAbort } from './retry.ts';
import { createRoutes, type Route } from './routes.ts';
import { runTopic } from './topic-loop.ts';

/** A stop waits so long for the blocks under way; what is not done by then is completed by the next start. */
export const STOP_MS_MAX = 5_000;

export interface SinkOptions {
  readonly kafka: Kafka;
  /** Migrated. */
  readonly warehouse: Warehouse;
  readonly topics: Topics;
  readonly groupId: string;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now: () => number;
  /** Called when the sink cannot go on; its owner ends the process. */
  readonly onFatal: (error: unknown) => void;
}

export interface Sink {
  /** Stops at block boundaries and leaves the group. */
  close(): Promise<void>;
}

interface Shared extends SinkOptions {
  readonly membership: Promise<GroupMembership>;
  readonly admin: KafkaAdmin;
  readonly producer: Producer;
  readonly sinkMetrics: SinkMetrics;
  readonly waiting: Waiting;
}

/** Components of `/health/ready`. */
const GROUP = 'consumer-group';
const STORING = 'storing';

/**
 * Joins the group and stores every topic that it is given, each in a loop of its own, so that a topic that has to wait
 * holds up no other. All partitions of a topic go to one member: a block then covers them all in one insert, and its
 * intent is one commit.
 */
export async function startSink(options: SinkOptions): Promise<Sink> {
  const { kafka, health, onFatal } = options;
  health.set(GROUP, { ready: false, detail: 'joining the consumer group' });
  health.set(STORING, { ready: true });
  const routes = new Map(createRoutes(options.topics).map((route) => [route.topic, route]));
  const admin = await kafka.admin();
  const producer = await kafka.producer();

  let stopping = new AbortController();
  let latest: Assignment | undefined;
  let closed = false;
  let loops: Promise<void> = Promise.resolve();

  /** A new generation ends every loop, also of a topic that stays: there may have been generations we did not hear of. */
  const onAssigned = (assignment: Assignment): void => {
    latest = assignment;
    stopping.abort();
    health.set(GROUP, { ready: false, detail: 'taking over topics' });
    loops = loops.then(async () => {
      if (closed || latest !== assignment) return;
      stopping = new AbortController();
      const owned = assignment.units.flatMap(({ id }) => routes.get(id) ?? []);
      try {
        await ownTopics(owned, assignment.generation, stopping.signal, shared);
      } catch (error) {
        onFatal(error);
      }
    });
  };
  const membership = kafka.group({
    groupId: options.groupId,
    topics: [...routes.keys()],
    unitsOf: (partitionCount) =>
      [...routes.keys()].map((topic) => ({
        id: topic,
        partitions: Array.from({ length: partitionCount(topic) }, (_, partition) => ({ topic, partition })),
      })),
    onAssigned,
    onFatal,
  });
  const shared: Shared = {
    ...options,
    membership, // a promise, because the first assignment may come before it is fulfilled
    admin,
    producer,
    sinkMetrics: createSinkMetrics(options.metrics),
    waiting: waitingTopics(health),
  };
  await membership;

  return {
    close: async () => {
      closed = true;
      stopping.abort();
      await Promise.race([loops, delay(STOP_MS_MAX, undefined, { ref: false })]);
      await (await membership).close();
      await producer.close();
      await admin.close();
    },
  };
}

/** Runs the loops of one generation until they all have ended. */
async function ownTopics(
  routes: readonly Route[],
  generation: number,
  signal: AbortSignal,
  shared: Shared,
): Promise<void> {
  const { health } = shared;
  let starting = routes.length;
  const onStarted = () => {
    starting -= 1;
    if (starting <= 0)
      health.set(GROUP, { ready: true, detail: `${routes.length} topics in generation ${generation}` });
  };
  if (routes.length === 0) onStarted(); // a member too many stands by
  await Promise.all(
    routes.map(async (route) => {
      await ownTopic(route, generation, signal, onStarted, shared);
      if (!signal.aborted) health.set(GROUP, { ready: false, detail: 'waiting for the group to share out its topics' });
    }),
  );
}

async function ownTopic(
  route: Route,
  generation: number,
  signal: AbortSignal,
  onStarted: () => void,
  shared: Shared,
): Promise<void> {
  const { kafka, warehouse, admin, groupId, topics, sinkMetrics: metrics, logger, now, waiting } = shared;
  const { topic, table } = route;
  const persist = createPersist({ route, metrics, waiting, logger, signal });
  const outside = createOutside({
    route,
    generation,
    membership: await shared.membership,
    warehouse,
    producer: shared.producer,
    deadLetters: topics.deadLetters,
    metrics,
    logger,
    now,
    persist,
  });
  const reader = await kafka.reader({ isolation: 'read_committed' });
  try {
    await runTopic({
      route,
      reader,
      outside,
      persist,
      committed: () => admin.committed(groupId, [topic]),
      log: () => admin.offsets(topic),
      highest: () => highestOffsets(warehouse, table, topic),
      metrics,
      logger,
      now,
      wait: waitOrAbort,
      onStarted,
      signal,
    });
  } finally {
    await reader.close();
  }
}

function waitingTopics(health: Health): Waiting {
  const details = new Map<string, string>();
  const update = () => {
    const text = [...details].map(([topic, detail]) => `${topic}: ${detail}`).join('; ');
    health.set(STORING, details.size === 0 ? { ready: true } : { ready: false, detail: text });
  };
  return {
    add: (topic, detail) => {
      details.set(topic, detail);
      update();
    },
    delete: (topic) => {
      details.delete(topic);
      update();
    },
  };
}
