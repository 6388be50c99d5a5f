import { setTimeout as sleep } from 'node:timers/promises';
import { type Kafka, KafkaError } from '@millrace/kafka';
import type { ChangelogFeed } from './changelog-feed.ts';
import type { StreamsMetrics } from './metrics.ts';
import type { OpenTask } from './open-task.ts';
import type { TaskState } from './state-routes.ts';

const POLL_WAIT_MS = 250;
const RETRY_WAIT_MS = 500;
/**
 * After such a silence (a frozen process, a laptop asleep) tombstones may be gone that were never read: a changelog
 * keeps them for an hour. Then everything is read anew.
 */
const SILENCE_MS_MAX = 30 * 60_000;

export interface StandbyUnit {
  readonly id: string;
  readonly processor: string;
  readonly partition: number;
  open(): OpenTask;
}

/**
 * The tasks that other instances run and this one keeps warm: one reader follows all their changelogs. It reads what is
 * committed only, so nothing has to be taken back.
 */
export interface Standbys {
  add(unit: StandbyUnit): void;
  /** Gives a task up: for a runner to go on with, or for nothing. */
  remove(id: string): OpenTask | undefined;
  /** Adds and removes what is not as it should be. */
  follow(units: readonly StandbyUnit[]): void;
  shown(): TaskState[];
  close(): Promise<void>;
}

export async function startStandbys(
  kafka: Kafka,
  metrics: StreamsMetrics,
  now: () => number,
  onFatal: (error: Error) => void,
): Promise<Standbys> {
  const reader = await kafka.reader({ isolation: 'read_committed' });
  const standbys = new Map<string, StandbyUnit & OpenTask>();
  const feeds = new Map<string, ChangelogFeed>();
  let closed = false;
  let polledAtMs = Number.POSITIVE_INFINITY;
  let polling: Promise<void> | undefined;

  const setLag = ({ processor, partition }: StandbyUnit, records: number) =>
    metrics.standbyLag.set({ processor, partition: String(partition) }, records);
  const add = (unit: StandbyUnit): void => {
    const opened = unit.open();
    standbys.set(unit.id, { ...unit, ...opened });
    for (const feed of opened.feeds) feeds.set(feed.id, feed);
    reader.assign(opened.feeds.map(({ partition }) => ({ ...partition, offset: 'start' })));
    polling ??= pollAll();
  };
  const remove = (id: string): OpenTask | undefined => {
    const standby = standbys.get(id);
    if (standby === undefined) return undefined;
    standbys.delete(id);
    for (const feed of standby.feeds) feeds.delete(feed.id);
    reader.unassign(standby.feeds.map(({ partition }) => partition));
    setLag(standby, 0);
    return standby;
  };
  const poll = async (): Promise<void> => {
    for (const batch of await reader.poll({ maxWaitMs: POLL_WAIT_MS }))
      feeds.get(`${batch.topic}/${batch.partition}`)?.apply(batch);
    for (const standby of standbys.values())
      setLag(
        standby,
        standby.feeds.reduce((sum, { remaining }) => sum + remaining, 0),
      );
    if (now() - polledAtMs > SILENCE_MS_MAX) {
      for (const unit of [...standbys.values()]) {
        remove(unit.id);
        add(unit);
      }
    }
    polledAtMs = now();
  };
  const pollAll = async (): Promise<void> => {
    polledAtMs = now();
    while (standbys.size > 0 && !closed) {
      try {
        await poll();
      } catch (error) {
        if (closed) return;
        if (!(error instanceof KafkaError) || !error.retriable)
          return onFatal(error instanceof Error ? error : new Error(String(error)));
        await sleep(RETRY_WAIT_MS);
      }
    }
    polling = undefined;
  };

  return {
    add,
    remove,
    follow: (units) => {
      const wanted = new Set(units.map(({ id }) => id));
      for (const id of [...standbys.keys()]) if (!wanted.has(id)) remove(id);
      for (const unit of units) if (!standbys.has(unit.id)) add(unit);
    },
    shown: () =>
      [...standbys.values()].map(({ processor, partition, task }) => ({
        processor,
        partition,
        state: 'standby',
        streamTimeMs: task.streamTimeMs,
        stores: task.stores,
      })),
    close: async () => {
      closed = true;
      await reader.close();
      await polling;
    },
  };
}
