import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { KafkaError, type OffsetCommit, type ReadBatch, type TransactionalProducer } from '@millrace/kafka';
import { StreamsError } from '../errors.ts';
import { PoisonedTask, type Task } from '../task.ts';
import { CommitPace } from './commit-pace.ts';
import { commitTask } from './commit-task.ts';
import { InputQueues } from './input-queues.ts';
import type { OpenTask } from './open-task.ts';
import { restoreStores } from './restore-stores.ts';
import type { TaskState } from './state-routes.ts';
import { decodeStreamTime, encodeStreamTime } from './stream-time.ts';
import type { TaskRunnerOptions } from './task-runner-options.ts';

/** Records processed before other tasks get their turn of the event loop. */
const SLICE_RECORDS_MAX = 250;
/** Records processed and not committed; at this the task waits for its commit. */
const UNCOMMITTED_RECORDS_MAX = 5_000;
/** How long a fenced task waits before it claims its partition again: by then the group has told who owns it. */
const FENCED_WAIT_MS = 3_000;
/** The broker answers every 0.1 s. After a longer silence its answer says nothing about that time: it was away, or we. */
const SILENCE_MS_MAX = 2_000;
const REPORT_INTERVAL_MS = 500;
const RETRY_WAIT_MS_MIN = 100;
const RETRY_WAIT_MS_MAX = 5_000;

/**
 * Runs one task against Kafka.
 *
 * Delivery: exactly once. The outputs of a stretch of records, the changes of the stores and the offsets of the input
 * are one transaction. While it is being committed the task goes on with the next stretch; when a commit fails, all
 * that came after it is thrown away with the task, which is then built anew from what is committed.
 */
export class TaskRunner {
  readonly #options: TaskRunnerOptions;
  readonly #topics: readonly string[];
  #state: 'starting' | 'running' | 'closed' = 'starting';
  #closing = false;
  #queues: InputQueues;
  #wake: () => void = () => undefined;
  #warm: OpenTask | undefined;
  /** While it runs. */
  #task: Task | undefined;
  #quietAt = Number.NEGATIVE_INFINITY;
  /** Records to pass by after a rebuild, until a commit covers them. */
  #poisoned: PoisonedTask[] = [];
  readonly #ended: Promise<void>;

  constructor(options: TaskRunnerOptions) {
    this.#options = options;
    this.#warm = options.warm;
    this.#topics = options.unit.partitions.map(({ topic }) => topic);
    this.#queues = new InputQueues(this.#topics);
    this.#ended = this.#run();
  }

  get running(): boolean {
    return this.#state === 'running';
  }

  /** For a person to look at. */
  get shown(): TaskState {
    const { processor, partition } = this.#options;
    const { streamTimeMs, stores } = this.#task ?? { streamTimeMs: Number.NEGATIVE_INFINITY, stores: {} };
    return { processor: processor.name, partition, state: this.#state, streamTimeMs, stores };
  }

  /** Takes what a fetch has brought. */
  deliver(batch: ReadBatch): void {
    this.#queues.push(batch);
    this.#wake();
  }

  reads(topic: string, partition: number): boolean {
    return partition === this.#options.partition && this.#topics.includes(topic);
  }

  queuedOf(topic: string): number {
    return this.#queues.lengthOf(topic);
  }

  /** Commits what has been processed, and lets go of the partition. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#wake();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { unit, processor, logger, metrics, reader, onFatal } = this.#options;
    let waitMs = RETRY_WAIT_MS_MIN;
    while (!this.#closing) {
      let producer: TransactionalProducer | undefined;
      const startedAt = performance.now();
      try {
        producer = await this.#options.createProducer();
        const task = await this.#open();
        this.#task = task;
        this.#state = 'running';
        waitMs = performance.now() - startedAt > RETRY_WAIT_MS_MAX ? RETRY_WAIT_MS_MIN : waitMs;
        await this.#processUntilClosed(task, producer);
      } catch (error) {
        this.#state = 'starting';
        this.#task = undefined;
        if (this.#closing && !(error instanceof StreamsError)) {
          logger.warn(
            { err: error, task: unit.id },
            'closed without its last commit; the next owner does that stretch again',
          );
          break;
        }
        if (isFatal(error)) {
          onFatal(error);
          break;
        }
        if (error instanceof PoisonedTask) this.#poisoned.push(error);
        const fenced = error instanceof KafkaError && error.code === 'fenced';
        const reason =
          error instanceof PoisonedTask ? 'poisoned' : error instanceof KafkaError ? error.code : 'unexpected';
        metrics.rebuilds.inc({ processor: processor.name, reason });
        logger.warn(
          { err: error, task: unit.id, waitMs: fenced ? FENCED_WAIT_MS : waitMs },
          'task closed, to be rebuilt from its last commit',
        );
        if (!(error instanceof PoisonedTask)) {
          await this.#pause(fenced ? FENCED_WAIT_MS : waitMs);
          waitMs = Math.min(waitMs * 2, RETRY_WAIT_MS_MAX);
        }
      } finally {
        reader.unassign(unit.partitions);
        await closeQuietly(producer, (error) =>
          logger.debug({ err: error, task: unit.id }, 'closing a producer failed'),
        );
      }
    }
    this.#state = 'closed';
    this.#task = undefined;
  }

  /** From the last commit: offsets, stream time, stores. The producer exists already, so nobody else commits any more. */
  async #open(): Promise<Task> {
    const { applicationId, unit, partition, admin, reader } = this.#options;
    const { task, feeds } = this.#warm ?? this.#options.openTask();
    this.#warm = undefined;
    for (const { record, cause } of this.#poisoned) task.skip(record, cause);

    // 1. Where the last committed transaction ended.
    const committed = (await admin.committed(applicationId, this.#topics)).filter(
      (offset) => offset.partition === partition,
    );
    const streamTimeMs = Math.max(
      Number.NEGATIVE_INFINITY,
      ...committed.map(({ metadata }) => decodeStreamTime(metadata)),
    );

    // 2. The stores, as that transaction left them.
    await restoreStores(feeds, this.#options);
    if (Number.isFinite(streamTimeMs)) task.resumeAt(streamTimeMs);

    // 3. Read on from there. A partition without a commit is read from its start.
    this.#queues = new InputQueues(this.#topics);
    const offsetOf = new Map(committed.map(({ topic, offset }) => [topic, offset]));
    reader.assign(
      unit.partitions.map(({ topic }) => {
        const offset = offsetOf.get(topic) ?? -1;
        return { topic, partition, offset: offset < 0 ? ('start' as const) : offset };
      }),
    );
    return task;
  }

  async #processUntilClosed(task: Task, producer: TransactionalProducer): Promise<void> {
    const pace = new CommitPace(this.#options.commitIntervalMs);
    const done = new Set<string>();
    let uncommitted = 0;
    let commitStartedAt = Number.NEGATIVE_INFINITY;
    let reportedAt = Number.NEGATIVE_INFINITY;
    let committing: Promise<void> | undefined;
    let failure: unknown;

    const startCommit = () => {
      commitStartedAt = performance.now();
      const offsets = this.#offsetsOf(done, task.streamTimeMs);
      const records = uncommitted;
      done.clear();
      uncommitted = 0;
      committing = this.#commit(task, producer, offsets, records)
        .catch((error: unknown) => {
          failure = error; // thrown by the loop below, which owns the task
        })
        .finally(() => {
          pace.took(performance.now() - commitStartedAt);
          committing = undefined;
          this.#wake();
        });
    };

    for (;;) {
      if (failure !== undefined) throw failure;
      if (this.#closing) break;
      const before = uncommitted;
      while (uncommitted - before < SLICE_RECORDS_MAX && uncommitted < UNCOMMITTED_RECORDS_MAX) {
        const record = this.#queues.take();
        if (record === undefined) break;
        task.process(record);
        done.add(record.topic);
        uncommitted += 1;
      }
      if (performance.now() - reportedAt >= REPORT_INTERVAL_MS) {
        reportedAt = performance.now();
        this.#report(task);
      }
      const idled = uncommitted === 0 && committing === undefined && this.#idle(task);
      if (idled) for (const topic of this.#topics) done.add(topic);
      const dueInMs = commitStartedAt + pace.apartMs(this.#queues.length === 0) - performance.now();
      const due = uncommitted > 0 && (dueInMs <= 0 || uncommitted >= UNCOMMITTED_RECORDS_MAX);
      if ((due || idled) && committing === undefined) startCommit();
      const blocked = uncommitted >= UNCOMMITTED_RECORDS_MAX;
      if (uncommitted - before > 0 && !blocked) await setImmediate();
      else await this.#pause(uncommitted > 0 && committing === undefined ? Math.max(1, dueInMs) : undefined);
    }
    await committing;
    if (failure === undefined && uncommitted > 0) {
      startCommit();
      await committing;
    }
    if (failure !== undefined) throw failure;
  }

  async #commit(task: Task, producer: TransactionalProducer, offsets: OffsetCommit[], inputs: number): Promise<void> {
    await commitTask(task, producer, offsets, inputs, this.#options);
    const covered = new Map(offsets.map(({ topic, offset }) => [topic, offset]));
    this.#poisoned = this.#poisoned.filter(({ record }) => record.offset >= (covered.get(record.topic) ?? 0));
  }

  /** Stream time of a partition that has gone quiet moves on with the wall clock. */
  #idle(task: Task): boolean {
    if (!this.#queues.confirmQuiet()) return false;
    const silenceMs = performance.now() - this.#quietAt;
    this.#quietAt += silenceMs;
    if (silenceMs > SILENCE_MS_MAX) task.stir();
    return task.idle();
  }

  /** Every offset carries the stream time, so that a new owner goes on with it. */
  #offsetsOf(topics: ReadonlySet<string>, streamTimeMs: number): OffsetCommit[] {
    const metadata = encodeStreamTime(streamTimeMs);
    return [...topics].flatMap((topic) => {
      const offset = this.#queues.doneBefore(topic);
      return offset === undefined ? [] : [{ topic, partition: this.#options.partition, offset, metadata }];
    });
  }

  #report(task: Task): void {
    const { processor, metrics } = this.#options;
    const partition = String(this.#options.partition);
    metrics.queued.set({ processor: processor.name, partition }, this.#queues.length);
    for (const topic of this.#topics)
      metrics.lag.set({ processor: processor.name, topic, partition }, this.#queues.lagOf(topic));
    if (Number.isFinite(task.streamTimeMs))
      metrics.streamTime.set({ processor: processor.name, partition }, task.streamTimeMs / 1000);
    for (const [store, { size }] of Object.entries(task.stores))
      metrics.storeKeys.set({ processor: processor.name, store, partition }, size);
  }

  /** Waits for a delivery, the end of a commit, a close, or the given time. */
  async #pause(maxMs: number | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    if (this.#closing) return;
    if (maxMs === undefined) return promise;
    const timer = new AbortController();
    await Promise.race([promise, sleep(maxMs, undefined, { signal: timer.signal }).catch(ignoreAbort)]);
    timer.abort();
  }
}

/** What comes again however often it is tried; everything else is tried again from the last commit. */
function isFatal(error: unknown): error is Error {
  if (error instanceof StreamsError) return true;
  return error instanceof KafkaError && FATAL_CODES.has(error.code);
}
const FATAL_CODES: ReadonlySet<string> = new Set([
  'offset-out-of-range',
  'not-authorized',
  'partition-mismatch',
  'corrupt',
  'too-large',
]);

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
}

async function closeQuietly(
  producer: TransactionalProducer | undefined,
  onError: (error: unknown) => void,
): Promise<void> {
  try {
    await producer?.close();
  } catch (error) {
    onError(error);
  }
}
