import { setTimeout as sleep } from 'node:timers/promises';
import { type AssignmentUnit, type Kafka, KafkaError, type PartitionReader } from '@millrace/kafka';
import type { Logger, Metrics } from '@millrace/observability';
import type { DeadLetterTopic } from '../dead-letter.ts';
import { StreamsError } from '../errors.ts';
import { describe, type Topology } from '../topology.ts';
import { startGlobalTables } from './global-tables.ts';
import { createLetterWriter } from './letter-writer.ts';
import { createStreamsMetrics } from './metrics.ts';
import { openTask, taskOptionsOf } from './open-task.ts';
import { createRestorer } from './restorer.ts';
import { startStandbys } from './standbys.ts';
import { answerState, type StateAnswer } from './state-routes.ts';
import { TaskRunner } from './task-runner.ts';
import { TaskSet } from './task-set.ts';
import {
  changelogsOf,
  ensureChangelogs,
  globalTopics,
  parseTaskId,
  taskId,
  topicNames,
  transactionalIdOf,
} from './topology-topics.ts';

const COMMIT_INTERVAL_MS_DEFAULT = 100;
const TRANSACTION_TIMEOUT_MS = 60_000;
/** How long a fetch waits for the first byte; a partition that starts or goes on meanwhile waits for it as well. */
const POLL_WAIT_MS = 100;
/** The same while others are paused: they want to be fetched again soon, and cannot before this fetch is over. */
const PAUSED_POLL_WAIT_MS = 2;
const RETRY_WAIT_MS = 300;
const NOTHING_TO_FETCH_WAIT_MS = 5;
/** Records fetched ahead per input partition: over it its fetching pauses. */
const QUEUED_RECORDS_MAX = 2_000;
export interface StreamsOptions {
  readonly topology: Topology;
  readonly kafka: Kafka;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly deadLetters: DeadLetterTopic;
  /** At most this long after a record its effects are committed; sooner where there is no backlog. */
  readonly commitIntervalMs?: number;
  /** Other instances that keep the stores of each task warm, to take over without a restore. Default: none. */
  readonly standbys?: number;
  /** Wall clock, epoch milliseconds. */
  readonly now?: () => number;
  /** Called once for an error that no retry mends; the process is expected to end. */
  onFatal(error: Error): void;
}

export interface Streams {
  /** All assigned tasks are restored and process. */
  isReady(): boolean;
  /** Answers `GET /state...` for a person who wants to look into stores; see `answerState`. */
  readState(url: URL): Promise<StateAnswer>;
  /** Commits what has been processed and leaves the group. */
  close(): Promise<void>;
}

/**
 * Runs a topology in this process, as one instance of its application: the group shares the tasks out among all
 * instances. Changelog topics are created; input, output and dead-letter topics must exist.
 */
export async function startStreams(options: StreamsOptions): Promise<Streams> {
  const { topology, kafka, logger, now = Date.now } = options;
  const metrics = createStreamsMetrics(options.metrics);
  let closed = false;
  const onFatal = (error: Error) => {
    if (closed) return;
    logger.fatal({ err: error }, 'the stream application cannot go on');
    options.onFatal(error);
  };
  logger.info({ topology: describe(topology) }, 'starting');

  // 1. Topics: co-partitioned inputs, and a changelog partition for every task.
  const admin = await kafka.admin();
  await ensureChangelogs(admin, topology);

  // 2. What all tasks share.
  const letters = createLetterWriter({ kafka, topic: options.deadLetters, stage: topology.applicationId, now, logger });
  const globals = await startGlobalTables(kafka, admin, globalTopics(topology), logger, onFatal, letters.write);
  const restorer = await createRestorer(kafka);
  const standbys = await startStandbys(kafka, metrics, now, onFatal);
  const reader = await kafka.reader({ isolation: 'read_committed' });
  await globals.ready;

  // 3. Membership decides which tasks run here.
  const processors = new Map(topology.processors.map((processor) => [processor.name, processor]));
  const describeUnit = (unit: AssignmentUnit) => {
    const { processor: name, partition } = parseTaskId(unit.id);
    const processor = processors.get(name);
    if (processor === undefined)
      throw new StreamsError(
        'invalid-topology',
        `task ${unit.id} is of no processor here: do all instances run the same version?`,
      );
    const taskOptions = taskOptionsOf(processor, partition, {
      globals: globals.tables,
      now,
      deadLetters: options.deadLetters,
      metrics,
    });
    return { processor, partition, openTask: () => openTask(topology.applicationId, taskOptions) };
  };
  const tasks = new TaskSet({
    standbys,
    standbyOf: (unit) => {
      const { processor, partition, openTask: open } = describeUnit(unit);
      return { id: unit.id, processor: processor.name, partition, open };
    },
    createRunner: (unit, warm) =>
      new TaskRunner({
        ...describeUnit(unit),
        applicationId: topology.applicationId,
        unit,
        warm,
        commitIntervalMs: options.commitIntervalMs ?? COMMIT_INTERVAL_MS_DEFAULT,
        admin,
        reader,
        restorer,
        metrics,
        logger,
        createProducer: () =>
          kafka.transactionalProducer({
            transactionalId: transactionalIdOf(topology.applicationId, unit.id),
            transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
          }),
        onFatal,
      }),
  });

  const fetching = fetchLoop(reader, tasks.runners, () => closed, onFatal);
  const standbyCount = options.standbys ?? 0;
  const group = await kafka.group({
    groupId: topology.applicationId,
    topics: topology.processors.flatMap((processor) => [
      ...topicNames(processor.inputs),
      ...(standbyCount > 0 ? changelogsOf(topology.applicationId, processor) : []),
    ]),
    standbys: standbyCount,
    unitsOf: (partitionCount) =>
      topology.processors.flatMap((processor) => {
        const topics = topicNames(processor.inputs);
        const changelogs = changelogsOf(topology.applicationId, processor);
        const count = Math.max(...topics.map(partitionCount));
        return Array.from({ length: count }, (_, partition) => ({
          id: taskId(processor.name, partition),
          kind: processor.name,
          partitions: topics.map((topic) => ({ topic, partition })),
          ...(changelogs.length > 0 && { standbyPartitions: changelogs.map((topic) => ({ topic, partition })) }),
        }));
      }),
    onAssigned: (assignment) => {
      metrics.assigned.set(assignment.units.length);
      metrics.standbys.set(assignment.standbys.length);
      tasks.takeOver(assignment);
    },
    onFatal,
  });

  return {
    isReady: () => {
      metrics.running.set(tasks.runningCount);
      return tasks.isReady;
    },
    readState: (url) =>
      answerState(
        {
          applicationId: topology.applicationId,
          tasks: () => [...[...tasks.runners.values()].map(({ shown }) => shown), ...standbys.shown()],
          members: () => admin.members(topology.applicationId),
        },
        url,
      ),
    close: async () => {
      closed = true;
      // Commit first, leave then: who takes over finds everything committed and does nothing twice in vain.
      await tasks.close();
      letters.stop();
      await Promise.all([fetching, group.close(), globals.close(), restorer.close(), standbys.close()]);
      await Promise.all([reader.close(), letters.close(), admin.close()]);
    },
  };
}

/** Brings records to the tasks; pauses what a task has enough of. */
async function fetchLoop(
  reader: PartitionReader,
  tasks: ReadonlyMap<string, TaskRunner>,
  isClosed: () => boolean,
  onFatal: (error: Error) => void,
): Promise<void> {
  const paused = new Map<string, { topic: string; partition: number; task: TaskRunner }>();
  while (!isClosed()) {
    for (const [key, entry] of paused) {
      if (entry.task.queuedOf(entry.topic) > QUEUED_RECORDS_MAX / 2) continue;
      paused.delete(key);
      reader.resume([entry]);
    }
    try {
      const batches = await reader.poll({ maxWaitMs: paused.size === 0 ? POLL_WAIT_MS : PAUSED_POLL_WAIT_MS });
      if (batches.length === 0) await sleep(NOTHING_TO_FETCH_WAIT_MS);
      for (const batch of batches) {
        const { topic, partition } = batch;
        const task = [...tasks.values()].find((candidate) => candidate.reads(topic, partition));
        if (task === undefined) continue;
        task.deliver(batch);
        if (task.queuedOf(topic) <= QUEUED_RECORDS_MAX) continue;
        reader.pause([batch]);
        paused.set(`${topic}/${partition}`, { topic, partition, task });
      }
    } catch (error) {
      if (isClosed()) return;
      if (!(error instanceof KafkaError) || !error.retriable)
        return onFatal(error instanceof Error ? error : new Error(String(error)));
      await sleep(RETRY_WAIT_MS);
    }
  }
}
