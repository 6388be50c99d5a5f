import { setTimeout as delay } from 'node:timers/promises';
import type { TopicContract } from '@millrace/contracts';
import type { InRecord, Kafka, PartitionReader, ReadBatch } from '@millrace/kafka';
import type { Logger, Metrics } from '@millrace/observability';
import { ApiError } from '../errors.ts';
import { pause } from '../pause.ts';
import { FeedPositions } from './positions.ts';

/** A record as subscribers get it. `id` is the place behind it in all partitions, so that they can go on from there. */
export interface FeedEvent {
  readonly id: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** One line of JSON. */
  readonly data: string;
}

export interface Subscriber {
  event(event: FeedEvent): void;
  /** Events between the place the subscriber named and those that follow are no longer at hand. */
  gap(): void;
}

/** A topic, and its records as JSON for subscribers. */
export interface FeedSource {
  readonly topic: string;
  /** Throws when the record is no valid event. */
  readonly toJson: (value: Uint8Array) => string;
}

export function feedSource<T>(contract: TopicContract<T>, view: (value: T) => object): FeedSource {
  return { topic: contract.name, toJson: (value) => JSON.stringify(view(contract.decode(value))) };
}

export interface FeedOptions {
  readonly name: string;
  readonly kafka: Kafka;
  readonly sources: readonly FeedSource[];
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface Feed {
  /**
   * Sends what is new from now on, and before that what came behind `lastEventId`. Returns how to end it.
   * Throws `feed-unavailable` when Kafka does not answer.
   */
  subscribe(subscriber: Subscriber, lastEventId: string | undefined): Promise<() => void>;
  close(): Promise<void>;
}

/** Events kept for subscribers that come back. */
export const RECENT_EVENTS_MAX = 1_000;
/** Records of a partition that a start looks back, for the same reason: after a restart of this service too. */
const LOOK_BACK_RECORDS = 100;
/** Without subscribers the feed reads on for this long: a browser reconnects within seconds. */
const IDLE_MS = 30_000;
const START_MS_MAX = 5_000;
const POLL_MS = 1_000;
const RETRY_MS = 1_000;

/**
 * Sends records of some topics to any number of subscribers, in the order of their partitions. It reads only while
 * somebody listens, and committed records only.
 *
 * Delivery: at most once per connection, and without a gap across connections as long as `RECENT_EVENTS_MAX` and the
 * look back reach; where they do not, the subscriber is told so. Nothing is written.
 */
export function createFeed({ name, kafka, sources, logger, metrics }: FeedOptions): Feed {
  const undecodable = metrics.counter({
    name: 'live_undecodable_total',
    help: 'Records that a live feed left out because they are no valid event.',
    labels: ['feed'],
  });
  const subscribers = new Set<Subscriber>();
  let running:
    | { readonly stop: AbortController; readonly done: Promise<void>; readonly ready: Promise<void> }
    | undefined;
  let idleTimer: NodeJS.Timeout | undefined;
  let recent: FeedEvent[] = [];
  let positions = new FeedPositions([]);

  function start() {
    const stop = new AbortController();
    const { promise: ready, resolve } = Promise.withResolvers<void>();
    running = { stop, ready, done: run(stop.signal, resolve) };
    return running;
  }

  async function run(signal: AbortSignal, caughtUp: () => void): Promise<void> {
    recent = [];
    positions = new FeedPositions([]);
    while (!signal.aborted) {
      try {
        if (positions.isEmpty()) positions = await lookBack();
        const reader = await kafka.reader({ isolation: 'read_committed' });
        try {
          reader.assign(positions.list());
          await readUntil(reader, signal, caughtUp);
        } finally {
          await reader.close();
        }
      } catch (error) {
        logger.warn({ err: error, feed: name }, 'a live feed lost Kafka; trying again');
        if (isOutOfRange(error)) restartFromLookBack();
        await pause(RETRY_MS, signal);
      }
    }
  }

  async function lookBack(): Promise<FeedPositions> {
    const admin = await kafka.admin();
    try {
      const topics = sources.map(async ({ topic }) => ({
        topic,
        offsets: (await admin.offsets(topic))
          .toSorted((one, other) => one.partition - other.partition)
          .map(({ start, end }) => Math.max(start, end - LOOK_BACK_RECORDS)),
      }));
      return new FeedPositions(await Promise.all(topics));
    } finally {
      await admin.close();
    }
  }

  /** Records are gone before they were read (retention, or a topic that was made anew). */
  function restartFromLookBack(): void {
    recent = [];
    positions = new FeedPositions([]);
    for (const subscriber of subscribers) subscriber.gap();
  }

  async function readUntil(reader: PartitionReader, signal: AbortSignal, caughtUp: () => void): Promise<void> {
    const behind = new Set(positions.list().map(({ topic, partition }) => `${topic} ${partition}`));
    while (!signal.aborted) {
      const batches = await reader.poll({ maxWaitMs: POLL_MS });
      // Another run may have begun meanwhile, and the positions are its own.
      if (signal.aborted) return;
      for (const batch of batches) {
        take(batch);
        if (batch.nextOffset >= batch.endOffset) behind.delete(`${batch.topic} ${batch.partition}`);
      }
      if (behind.size === 0) caughtUp();
    }
  }

  function take({ topic, partition, records, nextOffset }: ReadBatch): void {
    const source = sources.find((candidate) => candidate.topic === topic);
    for (const record of records) {
      positions.move(topic, partition, record.offset + 1);
      const data = source && dataOf(source, record);
      if (data !== undefined) publish({ id: positions.format(), topic, partition, offset: record.offset, data });
    }
    positions.move(topic, partition, nextOffset);
  }

  function dataOf({ toJson }: FeedSource, { value, topic, partition, offset }: InRecord): string | undefined {
    if (value === null) return undefined;
    try {
      return toJson(value);
    } catch (error) {
      undecodable.inc({ feed: name });
      logger.warn({ err: error, topic, partition, offset }, 'left a record out of a live feed');
      return undefined;
    }
  }

  function publish(event: FeedEvent): void {
    recent.push(event);
    if (recent.length > RECENT_EVENTS_MAX) {
      const oldest = recent.shift();
      if (oldest !== undefined) positions.forget(oldest.topic, oldest.partition, oldest.offset);
    }
    for (const subscriber of subscribers) subscriber.event(event);
  }

  function replay(subscriber: Subscriber, lastEventId: string): void {
    const from = positions.parse(lastEventId);
    if (from === undefined || !positions.covers(from)) subscriber.gap();
    for (const event of recent) {
      if (from === undefined || event.offset >= from.offset(event.topic, event.partition)) subscriber.event(event);
    }
  }

  function stopWhenIdle(): void {
    if (subscribers.size > 0 || running === undefined) return;
    clearTimeout(idleTimer);
    idleTimer = setTimeout(() => {
      if (subscribers.size > 0 || running === undefined) return;
      running.stop.abort();
      running = undefined;
    }, IDLE_MS);
    idleTimer.unref();
  }

  return {
    async subscribe(subscriber, lastEventId) {
      clearTimeout(idleTimer);
      const { ready } = running ?? start();
      const inTime = await Promise.race([ready.then(() => true), delay(START_MS_MAX, false, { ref: false })]);
      if (!inTime) {
        stopWhenIdle();
        throw new ApiError('feed-unavailable', `The feed ${name} could not start in ${START_MS_MAX} ms.`);
      }
      if (lastEventId !== undefined) replay(subscriber, lastEventId);
      subscribers.add(subscriber);
      return () => {
        subscribers.delete(subscriber);
        stopWhenIdle();
      };
    },
    async close() {
      clearTimeout(idleTimer);
      subscribers.clear();
      const stopped = running;
      running = undefined;
      stopped?.stop.abort();
      await stopped?.done;
    },
  };
}

function isOutOfRange(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'offset-out-of-range';
}
