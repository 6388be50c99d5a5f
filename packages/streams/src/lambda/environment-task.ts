import { setImmediate } from 'node:timers/promises';
import {
  type InRecord,
  type Kafka,
  type KafkaAdmin,
  KafkaError,
  type OffsetCommit,
  type PartitionReader,
  type TransactionalProducer,
} from '@millrace/kafka';
import type { Logger } from '@millrace/observability';
import { StreamsError } from '../errors.ts';
import { commitTask } from '../runtime/commit-task.ts';
import type { StreamsMetrics } from '../runtime/metrics.ts';
import { openTask } from '../runtime/open-task.ts';
import { restoreStores } from '../runtime/restore-stores.ts';
import type { Restorer } from '../runtime/restorer.ts';
import { decodeStreamTime, encodeStreamTime } from '../runtime/stream-time.ts';
import { taskId, topicNames, transactionalIdOf } from '../runtime/topology-topics.ts';
import { PoisonedTask, type Task, type TaskOptions } from '../task.ts';
import type { AnyProcessor } from '../topology.ts';
import { type BatchInputs, confirmedInputs, trustedInputs } from './batch-inputs.ts';
import type { EventPartition } from './kafka-event.ts';

/** Records in one transaction; a larger batch is committed in several. */
const UNCOMMITTED_RECORDS_MAX = 5_000;
/** Records processed before other tasks of the invocation get their turn of the event loop. */
const SLICE_RECORDS_MAX = 250;
/** A function runs for 15 minutes at most, one for Kafka 14; a transaction of it never for longer than this. */
const TRANSACTION_TIMEOUT_MS = 60_000;
/** How often a batch is begun anew after another environment has taken over, or the broker was away. */
const ATTEMPTS_MAX = 2;

export interface EnvironmentTaskOptions {
  readonly applicationId: string;
  readonly processor: AnyProcessor;
  readonly partition: number;
  readonly taskOptions: TaskOptions;
  readonly kafka: Kafka;
  readonly metrics: StreamsMetrics;
  readonly logger: Logger;
  readonly inputs: 'confirm' | 'trust';
  /** Older records go to `onFailure` unread. */
  readonly recordAgeMsMax: number;
  readonly onFailure: TaskOptions['deadLetters'];
}

/** What all tasks of an environment share; others after it has connected anew. */
export interface SharedConnections {
  readonly admin: KafkaAdmin;
  readonly restorer: Restorer;
}

/** What came of a task's part of an event. */
export interface TaskResult {
  /** By the name of the partition in the event: the offset from which Lambda is to deliver again. */
  readonly failures: ReadonlyMap<string, number>;
  readonly processed: number;
  readonly tooOld: number;
}

/** A record that the application must not pass by, or that it cannot. */
class StoppedAt extends Error {
  readonly record: InRecord;
  constructor(record: InRecord, cause: StreamsError) {
    super(cause.message, { cause });
    this.record = record;
  }
}

/**
 * One task in an execution environment. It stays between invocations, with its stores; nobody tells it when another
 * environment has had the partition in between, so each invocation looks at what is committed.
 *
 * Delivery: exactly once, as in the runtime. Outputs, changelogs and offsets, in the group of the application, are one
 * transaction under the transactional id of the task, which at any time one environment alone can use. What Lambda
 * delivers again is recognised by the committed offsets, however often it does.
 */
export class EnvironmentTask {
  readonly id: string;
  readonly #options: EnvironmentTaskOptions;
  readonly #topics: readonly string[];
  #task: Task | undefined;
  /** Nobody else has committed since `#task` was as these offsets say. */
  #committed = new Map<string, { readonly offset: number; readonly metadata: string }>();
  #producer: TransactionalProducer | undefined;
  #reader: PartitionReader | undefined;
  /** Records to pass by, since they fail after they have changed a store. */
  #poisoned: PoisonedTask[] = [];
  #processed = 0;
  #tooOld = 0;

  constructor(options: EnvironmentTaskOptions) {
    this.#options = options;
    this.id = taskId(options.processor.name, options.partition);
    this.#topics = topicNames(options.processor.inputs);
  }

  /** Processes what an event has for this task until `isTimeUp`. Rejects with nothing: what is not done is a failure. */
  async run(
    delivered: readonly EventPartition[],
    connections: SharedConnections,
    isTimeUp: () => boolean,
  ): Promise<TaskResult> {
    const { logger } = this.#options;
    let inputs: BatchInputs | undefined;
    let stopAt: StoppedAt | undefined;
    this.#processed = 0;
    this.#tooOld = 0;
    for (let attempts = 1; !isTimeUp(); ) {
      try {
        await this.#open(connections);
        inputs = this.#inputsOf(delivered, await this.#openReader(), connections.admin);
        await this.#process(inputs, stopAt?.record, isTimeUp);
        break;
      } catch (error) {
        await this.#forget();
        if (error instanceof PoisonedTask) this.#poisoned.push(error);
        // Once more up to that record, of which a store may be half changed: what came before it is done all the same.
        else if (error instanceof StoppedAt && stopAt === undefined) stopAt = error;
        else {
          attempts += 1;
          if (attempts > ATTEMPTS_MAX || !isWorthAnother(error)) {
            logger.error({ err: error, task: this.id }, 'a part of the batch is to be delivered again');
            break;
          }
          logger.warn({ err: error, task: this.id }, 'a part of the batch is begun anew');
        }
      }
    }
    if (stopAt !== undefined) logger.error({ err: stopAt.cause, task: this.id }, 'cannot go on at a record');
    return { failures: this.failuresOf(delivered, inputs), processed: this.#processed, tooOld: this.#tooOld };
  }

  /** What of an event is not committed. */
  failuresOf(delivered: readonly EventPartition[], inputs?: BatchInputs): Map<string, number> {
    return new Map(
      delivered.flatMap(({ name, topic, records }) => {
        const undone = records.find(
          ({ offset }) => offset >= this.#nextOffset(topic) && inputs?.isDismissed(topic, offset) !== true,
        );
        return undone === undefined ? [] : [[name, undone.offset] as const];
      }),
    );
  }

  /** Connections may be dead after a long freeze; the stores are as good as before. */
  disconnect(): Promise<unknown> {
    const closing = [this.#producer, this.#reader];
    this.#producer = undefined;
    this.#reader = undefined;
    return Promise.allSettled(closing.map((connection) => connection?.close()));
  }

  #nextOffset(topic: string): number {
    return this.#committed.get(topic)?.offset ?? -1;
  }

  /** After an error nobody knows what the broker has, and the stores may be ahead of it. */
  async #forget(): Promise<void> {
    this.#task = undefined;
    await this.disconnect();
  }

  /** Brings the task to where the last commit is, whoever has made it. */
  async #open({ admin, restorer }: SharedConnections): Promise<void> {
    // 1. Nobody else commits from here on: who tries to, or has a transaction open, is fenced.
    const isWarm = this.#task !== undefined && this.#producer !== undefined;
    this.#producer ??= await this.#openProducer();
    let committed = await this.#readCommitted(admin);
    if (this.#task !== undefined && sameOffsets(committed, this.#committed)) return;
    // 2. A producer of an earlier invocation may have been fenced by whoever has committed since.
    if (isWarm) {
      await this.#forget();
      this.#producer = await this.#openProducer();
      committed = await this.#readCommitted(admin);
    }
    // 3. The stores as the last commit has left them.
    const { applicationId, taskOptions } = this.#options;
    const { task, feeds } = openTask(applicationId, taskOptions);
    for (const { record, cause } of this.#poisoned) task.skip(record, cause);
    await restoreStores(feeds, { ...this.#options, restorer, unit: { id: this.id } });
    const streamTimeMs = Math.max(
      Number.NEGATIVE_INFINITY,
      ...[...committed.values()].map(({ metadata }) => decodeStreamTime(metadata)),
    );
    if (Number.isFinite(streamTimeMs)) task.resumeAt(streamTimeMs);
    this.#task = task;
    this.#committed = committed;
  }

  async #process(inputs: BatchInputs, stopBefore: InRecord | undefined, isTimeUp: () => boolean): Promise<void> {
    const task = this.#task;
    if (task === undefined) throw new StreamsError('closed', `${this.id} is not open`);
    const done = new Map<string, number>();
    let uncommitted = 0;
    const commit = async () => {
      if (uncommitted > 0) await this.#commit(task, done, uncommitted);
      done.clear();
      uncommitted = 0;
    };
    while (!isTimeUp()) {
      const record = inputs.take();
      if (record === undefined) {
        if (await inputs.read()) continue;
        break;
      }
      if (record.topic === stopBefore?.topic && record.offset === stopBefore.offset) break;
      this.#take(task, record);
      done.set(record.topic, record.offset + 1);
      uncommitted += 1;
      if (uncommitted >= UNCOMMITTED_RECORDS_MAX) await commit();
      else if (uncommitted % SLICE_RECORDS_MAX === 0) await setImmediate();
    }
    await commit();
  }

  #take(task: Task, record: InRecord): void {
    const { recordAgeMsMax, onFailure, taskOptions } = this.#options;
    const ageMs = taskOptions.now() - record.timestampMs;
    if (ageMs > recordAgeMsMax) {
      this.#tooOld += 1;
      task.setAside(record, 'too-old', `${ageMs} ms old; the limit is ${recordAgeMsMax}`, onFailure);
      return;
    }
    try {
      task.process(record);
    } catch (error) {
      throw error instanceof StreamsError ? new StoppedAt(record, error) : error;
    }
  }

  async #commit(task: Task, done: ReadonlyMap<string, number>, records: number): Promise<void> {
    const { partition } = this.#options;
    const metadata = encodeStreamTime(task.streamTimeMs);
    const offsets: OffsetCommit[] = [...done].map(([topic, offset]) => ({ topic, partition, offset, metadata }));
    if (this.#producer === undefined) throw new KafkaError('closed', `${this.id} has no producer`);
    await commitTask(task, this.#producer, offsets, records, this.#options);
    for (const { topic, offset } of offsets) this.#committed.set(topic, { offset, metadata });
    this.#poisoned = this.#poisoned.filter(({ record }) => record.offset >= this.#nextOffset(record.topic));
    this.#processed += records;
  }

  #inputsOf(delivered: readonly EventPartition[], reader: PartitionReader, admin: KafkaAdmin): BatchInputs {
    const { inputs, partition } = this.#options;
    const nextOffset = (topic: string) => this.#nextOffset(topic);
    const make = inputs === 'confirm' ? confirmedInputs : trustedInputs;
    return make({ partition, topics: this.#topics, delivered, nextOffset, reader, admin });
  }

  #openProducer(): Promise<TransactionalProducer> {
    const { kafka, applicationId } = this.#options;
    const transactionalId = transactionalIdOf(applicationId, this.id);
    return kafka.transactionalProducer({ transactionalId, transactionTimeoutMs: TRANSACTION_TIMEOUT_MS });
  }

  async #openReader(): Promise<PartitionReader> {
    this.#reader ??= await this.#options.kafka.reader({ isolation: 'read_committed' });
    return this.#reader;
  }

  async #readCommitted(admin: KafkaAdmin): Promise<Map<string, { offset: number; metadata: string }>> {
    const { applicationId, partition } = this.#options;
    const offsets = (await admin.committed(applicationId, this.#topics)).filter(
      (committed) => committed.partition === partition && committed.offset >= 0,
    );
    return new Map(offsets.map(({ topic, offset, metadata }) => [topic, { offset, metadata }]));
  }
}

type Committed = ReadonlyMap<string, { readonly offset: number; readonly metadata: string }>;

const sameOffsets = (a: Committed, b: Committed): boolean =>
  a.size === b.size &&
  [...a].every(([topic, { offset, metadata }]) => {
    const other = b.get(topic);
    return other?.offset === offset && other.metadata === metadata;
  });

/** A fenced producer, a broker that is away: the next look at what is committed may find it otherwise. */
const isWorthAnother = (error: unknown): boolean =>
  error instanceof KafkaError && (error.code === 'fenced' || error.retriable || error.code === 'closed');
