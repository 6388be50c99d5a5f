import { Task, type TaskOptions } from '../task.ts';
import { changelogTopic } from '../topology.ts';
import { ChangelogFeed } from './changelog-feed.ts';

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
