import { setTimeout as sleep } from 'node:timers/promises';
import { type Kafka, KafkaError } from '@millrace/kafka';
import type { Logger, Metrics } from '@millrace/observability';
import type { DeadLetterValue } from '../dead-letter.ts';
import { StreamsError } from '../errors.ts';
import { createStreamsMetrics } from '../runtime/metrics.ts';
import { taskId } from '../runtime/topology-topics.ts';
import type { AnyProcessor, Topic, Topology } from '../topology.ts';
import { Environment } from './environment.ts';
import type { TaskResult } from './environment-task.ts';
import { type EventPartition, type KafkaBatchAnswer, parseKafkaEvent } from './kafka-event.ts';

/** Kept of an invocation's time to commit what is processed and to answer; of a short one a quarter. */
const RESERVE_MS_MAX = 5_000;
/** At this before the end of an invocation the answer is given, whatever is still under way. */
const ANSWER_MS_MAX = 1_000;
/**
 * An environment that was frozen for longer connects anew: a NAT gateway forgets a connection after 350 s without a
 * word, and a request into the void would wait for its timeout.
 */
const IDLE_MS_MAX = 60_000;

export interface KafkaEventHandlerOptions {
  readonly topology: Topology;
  readonly kafka: Kafka;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly deadLetters: Omit<Topic<DeadLetterValue>, 'decode'>;
  /**
   * Records whose timestamp is further back than this, in milliseconds, are not processed: they go to `onFailure` with
   * the reason `too-old`. Default: any age.
   */
  readonly recordAgeMsMax?: number;
  /** Where those go. Default: `deadLetters`. */
  readonly onFailure?: Omit<Topic<DeadLetterValue>, 'decode'>;
  /**
   * `confirm`: the broker is asked which delivered records are committed, and for the other inputs of a processor.
   * `trust`: Lambda is believed, and a processor gets nothing but what Lambda delivers; for a processor of one input
   * whose topic is written without transactions. Default: `confirm`.
   */
  readonly inputs?: 'confirm' | 'trust';
  /** Wall clock, epoch milliseconds. */
  readonly now?: () => number;
}

/** What is used of the context that Lambda gives to a handler. */
export interface InvocationContext {
  getRemainingTimeInMillis(): number;
  readonly awsRequestId?: string;
}

export interface KafkaEventHandler {
  /**
   * Handles one event. Rejects with `invalid-event` or `invalid-topology` when the function is mapped wrongly, so that
   * Lambda counts an error; whatever else goes wrong is a failure of its partition in the answer.
   */
  handle(event: unknown, context: InvocationContext): Promise<KafkaBatchAnswer>;
  /** Connects and reads global tables, so that the first invocation need not. Rejects when Kafka is away; `handle` tries again. */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

interface Part {
  readonly processor: AnyProcessor;
  readonly partition: number;
  readonly delivered: EventPartition[];
}

/**
 * Any topology as a handler of Lambda's Kafka event source: what it does with a record is what the runtime does with it.
 *
 * Delivery: exactly once, see `EnvironmentTask`. The group of the application says what is done, not the group of the
 * event source mapping, which must have another name. An application runs in Lambda or with `startStreams`, not both:
 * they would fence each other.
 */
export function createKafkaEventHandler(options: KafkaEventHandlerOptions): KafkaEventHandler {
  const { topology, logger, now = Date.now } = options;
  const environment = new Environment({
    ...options,
    now,
    metrics: createStreamsMetrics(options.metrics),
    inputs: options.inputs ?? 'confirm',
    recordAgeMsMax: options.recordAgeMsMax ?? Number.POSITIVE_INFINITY,
    onFailure: options.onFailure ?? options.deadLetters,
  });
  let usedAtMs = now();
  for (const { name, idleAfterMs } of topology.processors) {
    if (idleAfterMs !== undefined)
      logger.warn(
        { processor: name },
        'nothing runs between invocations, so no idle time passes: windows close with records',
      );
  }

  const handleInTime = async (parts: readonly Part[], context: InvocationContext): Promise<TaskResult[]> => {
    const startMs = context.getRemainingTimeInMillis();
    const reserveMs = Math.min(RESERVE_MS_MAX, startMs / 4);
    const isTimeUp = () => context.getRemainingTimeInMillis() <= reserveMs;
    // Not done in time: what is committed is known to the next invocation, whatever becomes of the rest.
    const timer = new AbortController();
    const late = sleep(Math.max(0, startMs - Math.min(ANSWER_MS_MAX, reserveMs / 2)), undefined, {
      signal: timer.signal,
    });
    const inTime = async <T>(work: Promise<T>): Promise<T> =>
      Promise.race([
        work,
        late.then(() => {
          throw new KafkaError('unavailable', 'Kafka has not answered within the time of the invocation', {
            retriable: true,
          });
        }),
      ]);
    try {
      const connections = await inTime(environment.refresh());
      return await Promise.all(
        parts.map(async ({ processor, partition, delivered }) => {
          const task = environment.task(processor, partition);
          try {
            return await inTime(task.run(delivered, connections, isTimeUp));
          } catch (error) {
            environment.abandon(task);
            logger.error({ err: error, task: task.id }, 'a part of the batch was not done in time');
            return { failures: task.failuresOf(delivered), processed: 0, tooOld: 0 };
          }
        }),
      );
    } finally {
      timer.abort();
      late.catch(() => undefined); // aborted, which was the point
    }
  };

  return {
    handle: async (event, context) => {
      const startedAt = performance.now();
      const parts = groupByTask(parseKafkaEvent(event), environment);
      if (now() - usedAtMs > IDLE_MS_MAX) void environment.disconnect();
      let results: readonly TaskResult[];
      try {
        results = await handleInTime(parts, context);
      } catch (error) {
        if (!(error instanceof KafkaError) || !error.retriable) throw error;
        logger.error({ err: error }, 'Kafka is away; the whole batch is to be delivered again');
        results = parts.map(({ delivered }) => nothingDone(delivered));
      }
      await environment.trim();
      usedAtMs = now();
      const failures = results.flatMap(({ failures }) => [...failures]);
      const sum = (of: 'processed' | 'tooOld') => results.reduce((total, result) => total + result[of], 0);
      logger.info(
        {
          requestId: context.awsRequestId,
          records: parts
            .flatMap(({ delivered }) => delivered)
            .reduce((total, { records }) => total + records.length, 0),
          processed: sum('processed'),
          tooOld: sum('tooOld'),
          failures: Object.fromEntries(failures),
          durationMs: Math.round(performance.now() - startedAt),
        },
        'batch',
      );
      return {
        batchItemFailures: failures.map(([partition, offset]) => ({ itemIdentifier: { partition, offset } })),
      };
    },
    warmUp: async () => {
      await environment.refresh();
      usedAtMs = now();
    },
    close: () => environment.disconnect(),
  };
}

/** The partitions of an event by the task that has them. */
function groupByTask(partitions: readonly EventPartition[], environment: Environment): Part[] {
  const parts = new Map<string, Part>();
  for (const delivered of partitions) {
    const { topic, partition } = delivered;
    const processor = environment.processorOf(topic);
    const id = taskId(processor.name, partition);
    const part = parts.get(id);
    if (part === undefined) parts.set(id, { processor, partition, delivered: [delivered] });
    else if (part.delivered.some((other) => other.topic === topic))
      throw new StreamsError('invalid-event', `the event has ${topic}-${partition} twice`);
    else part.delivered.push(delivered);
  }
  return [...parts.values()];
}

function nothingDone(delivered: readonly EventPartition[]): TaskResult {
  const failures = delivered.flatMap(({ name, records: [first] }) =>
    first === undefined ? [] : [[name, first.offset] as const],
  );
  return { failures: new Map(failures), processed: 0, tooOld: 0 };
}
