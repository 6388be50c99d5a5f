import { Task, type TaskOptions } from '../task.ts';
import { type AnyProcessor, changelogTopic, type GlobalTable, type Topics } from '../topology.ts';
import { ChangelogFeed } from './changelog-feed.ts';
import type { StreamsMetrics } from './metrics.ts';

/** A task whose stores are on their way: all that they have is what their feeds have read. */
export interface OpenTask {
  readonly task: Task;
  readonly feeds: readonly ChangelogFeed[];
}

export function openTask(applicationId: string, options: TaskOptions): OpenTask {
  const { processor, partition } = options;
  const task = new Task(options);
  const feeds = Object.entries(task.stores).map(
    ([name, store]) =>
      new ChangelogFeed(
        applicationId,
        { topic: changelogTopic(applicationId, processor.name, name), partition },
        store,
      ),
  );
  return { task, feeds };
}

/** What a task of this instance has to do with: its tables, by topic, and the counts it adds to. */
export function taskOptionsOf(
  processor: AnyProcessor,
  partition: number,
  shared: Pick<TaskOptions, 'now' | 'deadLetters'> & {
    readonly globals: ReadonlyMap<string, GlobalTable<unknown>>;
    readonly metrics: StreamsMetrics;
  },
): TaskOptions {
  const { globals, now, deadLetters, metrics } = shared;
  const { name } = processor;
  return {
    processor,
    partition,
    globals: Object.fromEntries(
      Object.entries((processor.globals ?? {}) as Topics).flatMap(([key, topic]) => {
        const table = globals.get(topic.name);
        return table === undefined ? [] : [[key, table]];
      }),
    ),
    now,
    deadLetters,
    observe: {
      processed: (input, count) => metrics.records.inc({ processor: name, input }, count),
      late: (input, reason) => metrics.late.inc({ processor: name, input, reason }),
      deadLetter: (reason) => metrics.deadLetters.inc({ processor: name, reason }),
    },
  };
}
