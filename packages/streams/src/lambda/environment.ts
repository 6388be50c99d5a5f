import type { Kafka } from '@millrace/kafka';
import type { Logger } from '@millrace/observability';
import { StreamsError } from '../errors.ts';
import { openTableReader, type TableReader } from '../runtime/global-tables.ts';
import type { StreamsMetrics } from '../runtime/metrics.ts';
import { taskOptionsOf } from '../runtime/open-task.ts';
import { createRestorer } from '../runtime/restorer.ts';
import { ensureChangelogs, globalTopics, taskId, topicNames } from '../runtime/topology-topics.ts';
import type { TaskOptions } from '../task.ts';
import type { AnyProcessor, Topology } from '../topology.ts';
import { EnvironmentTask, type EnvironmentTaskOptions, type SharedConnections } from './environment-task.ts';

/** Tasks that an environment keeps; over it the ones that were not used for longest are let go, with their stores. */
const TASKS_MAX = 32;

export interface EnvironmentOptions
  extends Pick<EnvironmentTaskOptions, 'inputs' | 'recordAgeMsMax' | 'onFailure'>,
    Pick<TaskOptions, 'deadLetters' | 'now'> {
  readonly topology: Topology;
  readonly kafka: Kafka;
  readonly metrics: StreamsMetrics;
  readonly logger: Logger;
}

/** What an execution environment of Lambda keeps from one invocation to the next: connections, global tables, tasks. */
export class Environment {
  readonly #options: EnvironmentOptions;
  readonly #processorOf: ReadonlyMap<string, AnyProcessor>;
  readonly #tasks = new Map<string, EnvironmentTask>();
  #connections: Promise<SharedConnections> | undefined;
  #tables: TableReader | undefined;

  constructor(options: EnvironmentOptions) {
    this.#options = options;
    this.#processorOf = new Map(
      options.topology.processors.flatMap((processor) =>
        topicNames(processor.inputs).map((topic) => [topic, processor] as const),
      ),
    );
  }

  /** Throws `invalid-topology` for a topic that no processor reads. */
  processorOf(topic: string): AnyProcessor {
    const processor = this.#processorOf.get(topic);
    if (processor !== undefined) return processor;
    throw new StreamsError(
      'invalid-topology',
      `no processor of ${this.#options.topology.applicationId} reads ${topic}; it reads ${[...this.#processorOf.keys()].join(', ')}. Mend the event source mapping, or TOPIC_PREFIX`,
    );
  }

  /** Connects, and reads global tables to where they end now. The first time it takes as long as they are. */
  async refresh(): Promise<SharedConnections> {
    const { kafka, topology, logger } = this.#options;
    const connections = await this.#connect();
    this.#tables ??= await openTableReader(kafka, connections.admin, globalTopics(topology), logger);
    const tables = this.#tables;
    tables.startOver();
    while (!tables.isCaughtUp) await tables.poll(0);
    return connections;
  }

  /** The task of a processor and a partition, as it was left or new. `refresh` goes before. */
  task(processor: AnyProcessor, partition: number): EnvironmentTask {
    const { topology, deadLetters, now, metrics } = this.#options;
    const id = taskId(processor.name, partition);
    const globals = this.#tables?.tables ?? new Map<string, never>();
    const task =
      this.#tasks.get(id) ??
      new EnvironmentTask({
        ...this.#options,
        applicationId: topology.applicationId,
        processor,
        partition,
        taskOptions: taskOptionsOf(processor, partition, { globals, now, deadLetters, metrics }),
      });
    this.#tasks.delete(id);
    this.#tasks.set(id, task); // the last one is the one used last
    return task;
  }

  /** Lets go of a task that is not done in time. What it still does is fenced by its successor, or was in time after all. */
  abandon(task: EnvironmentTask): void {
    if (this.#tasks.get(task.id) === task) this.#tasks.delete(task.id);
    void task.disconnect();
  }

  /** Lets go of what has not been used for longest, over `TASKS_MAX`. */
  async trim(): Promise<void> {
    for (const [id, task] of this.#tasks) {
      if (this.#tasks.size <= TASKS_MAX) return;
      this.#tasks.delete(id);
      await task.disconnect();
    }
  }

  /** All connections, at once also if they do not answer; tasks and tables keep what they have. */
  async disconnect(): Promise<void> {
    const closing: (Promise<unknown> | undefined)[] = [...this.#tasks.values()].map((task) => task.disconnect());
    closing.push(this.#tables?.close());
    const connecting = this.#connections;
    this.#connections = undefined;
    const [connected] = await Promise.allSettled([connecting]);
    if (connected.status === 'fulfilled')
      closing.push(connected.value?.restorer.close(), connected.value?.admin.close());
    await Promise.allSettled(closing);
  }

  #connect(): Promise<SharedConnections> {
    this.#connections ??= this.#open().catch((error: unknown) => {
      this.#connections = undefined;
      throw error;
    });
    return this.#connections;
  }

  async #open(): Promise<SharedConnections> {
    const { kafka, topology } = this.#options;
    const admin = await kafka.admin();
    try {
      await ensureChangelogs(admin, topology);
      return { admin, restorer: await createRestorer(kafka) };
    } catch (error) {
      await admin.close();
      throw error;
    }
  }
}
