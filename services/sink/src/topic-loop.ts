import {
  type CommittedOffset,
  type InRecord,
  KafkaError,
  type PartitionOffsets,
  type PartitionReader,
  type ReadBatch,
} from '@millrace/kafka';
import type { Logger } from '@millrace/observability';
import type { OffsetRange } from '@millrace/warehouse';
import { BlockBuilder } from './block.ts';
import type { SinkMetrics } from './metrics.ts';
import type { Persist } from './outside.ts';
import type { Route } from './routes.ts';
import { ingestedAtMs } from './rows.ts';
import { startingPoint } from './starting-point.ts';
import { completeBlock, type Outside, storeBlock } from './store-block.ts';

/** How long a block of an urgent topic gathers at least, and any block at most. */
export const BLOCK_AGE_MS_MIN = 250;
export const BLOCK_AGE_MS_MAX = 1_000;
/** A topic may spend one part in so many of its time on storing: slower inserts make bigger and fewer blocks. */
export const STORE_TIME_SHARE = 10;
/** A topic without traffic is asked this often; it is also how long a stop may wait for a poll. */
export const IDLE_POLL_MS = 1_000;
/** With a block gathering, a poll only takes what is there. */
const GATHER_POLL_MS = 5;

export interface TopicLoop {
  readonly route: Route;
  readonly reader: PartitionReader;
  readonly outside: Outside;
  readonly persist: Persist;
  /** The group's committed offsets, the log's bounds and ClickHouse's highest offsets of this topic. */
  readonly committed: () => Promise<readonly CommittedOffset[]>;
  readonly log: () => Promise<readonly PartitionOffsets[]>;
  readonly highest: () => Promise<ReadonlyMap<number, number>>;
  readonly metrics: SinkMetrics;
  readonly logger: Logger;
  /** Epoch ms. */
  readonly now: () => number;
  /** Returns after the delay, or when the signal comes. */
  readonly wait: (delayMs: number, signal: AbortSignal) => Promise<void>;
  /** Called when the topic is being read from its starting point. */
  readonly onStarted: () => void;
  readonly signal: AbortSignal;
}

/**
 * Reads one topic and stores it, block by block, until the signal (at a block boundary) or until another member owns it.
 * Memory: one block, and what one fetch brings. Throws what no retry can cure.
 *
 * Delivery: exactly once, see `storeBlock`.
 */
export async function runTopic(loop: TopicLoop): Promise<void> {
  const { route, signal, logger } = loop;
  try {
    while (!signal.aborted) {
      try {
        await storeFrom(await start(loop), loop);
      } catch (error) {
        if (!(error instanceof KafkaError && error.code === 'offset-out-of-range')) throw error;
        // Retention has overtaken us. The next start counts what was lost and goes on with what is there.
        logger.error({ err: error, topic: route.topic }, 'the topic has deleted records that were not stored yet');
      }
    }
  } catch (error) {
    if (signal.aborted) {
      // Cut short by the stop. Whoever comes next completes the intent.
      logger.info({ err: error, topic: route.topic }, 'stopped while the outside did not answer');
      return;
    }
    if (!(error instanceof KafkaError && error.code === 'fenced')) throw error;
    logger.info({ topic: route.topic }, 'the topic has another owner, or will have after this rebalance');
  }
}

/** Finds the starting point, completes the block that was under way, and returns the positions after it. */
async function start(loop: TopicLoop): Promise<ReadonlyMap<number, number>> {
  const { route, outside, persist, metrics, logger } = loop;
  const { topic } = route;
  // Committed offsets first: what a predecessor still stores after we looked is covered by its intent.
  const committed = await persist('fetch offsets', loop.committed);
  const log = await persist('fetch offsets', loop.log);
  const highest = await persist('look up', loop.highest);
  const { positions, intent, rewound, lostOffsets } = startingPoint(topic, { committed, log, highest });

  if (lostOffsets > 0) {
    metrics.lostOffsets.inc({ topic }, lostOffsets);
    logger.error({ topic, lostOffsets }, 'the topic has deleted records before they were stored; raise its retention');
  }
  if (rewound) {
    logger.warn({ topic, table: route.table }, 'ClickHouse has nothing of this topic: storing all that Kafka has');
    // At once, and for all partitions: a later start sees rows, and must not trust the old offsets of the others.
    await outside.commit([...positions].map(([partition, offset]) => ({ topic, partition, offset, metadata: '' })));
  }
  if (intent.length > 0) {
    const records = await readRanges(loop, intent, log);
    const outcome = await completeBlock(route, records, intent, outside);
    metrics.redoneIntents.inc({ topic, outcome });
    logger.info({ topic, intent, outcome }, 'completed the block that was under way');
  }
  return positions;
}

async function storeFrom(positions: ReadonlyMap<number, number>, loop: TopicLoop): Promise<void> {
  const { route, outside, metrics, signal, now } = loop;
  const { topic, table } = route;
  const source = createSource(loop, positions);
  const builder = new BlockBuilder(route, positions);
  let storeMs = 0;
  loop.onStarted();
  while (!signal.aborted) {
    await gather(builder, source, blockAgeMs(route, storeMs), loop);
    if (builder.isEmpty || signal.aborted) continue; // a stop forgets a block that is not an intent yet
    const block = builder.take();
    const startedAt = now();
    const refused = await storeBlock(route, block, outside);
    const storedAt = now();
    // A moving average over about eight blocks: one slow insert changes little.
    storeMs += (storedAt - startedAt - storeMs) / 8;
    for (const { reason } of refused) metrics.refused.inc({ topic, reason });
    if (table === 'decisions') observeLatency(block.records, storedAt, metrics);
  }
}

/** Fills the block until it is full or has its age. A stop leaves it unfinished: nothing of it is committed. */
async function gather(
  builder: BlockBuilder,
  source: Source,
  ageMs: number,
  { signal, now, wait }: TopicLoop,
): Promise<void> {
  if (builder.isEmpty) builder.add(await source.poll(IDLE_POLL_MS));
  if (builder.isEmpty || builder.isFull || signal.aborted) return;
  // Waiting here, and not in a poll, lets the broker collect: two fetches make a block instead of one per record batch.
  if (source.isCaughtUp()) await wait(ageMs, signal);
  const endsAt = now() + BLOCK_AGE_MS_MAX;
  while (!builder.isFull && !signal.aborted && now() < endsAt) {
    builder.add(await source.poll(GATHER_POLL_MS));
    if (source.isCaughtUp()) return;
  }
}

/** Slower inserts, older and so bigger blocks. */
export function blockAgeMs(route: Pick<Route, 'urgent'>, storeMs: number): number {
  if (!route.urgent) return BLOCK_AGE_MS_MAX;
  return Math.min(BLOCK_AGE_MS_MAX, Math.max(BLOCK_AGE_MS_MIN, storeMs * STORE_TIME_SHARE));
}

interface Source {
  poll(maxWaitMs: number): Promise<readonly ReadBatch[]>;
  /** Whether the last poll left nothing behind. */
  isCaughtUp(): boolean;
}

/**
 * Polls from positions that are kept here: after a failure the reader is set back to them, so that what a failed poll
 * may have fetched is fetched again.
 */
function createSource({ route, reader, persist, metrics }: TopicLoop, starts: ReadonlyMap<number, number>): Source {
  const { topic } = route;
  const positions = new Map(starts);
  const ends = new Map<number, number>();
  const assign = () => reader.assign([...positions].map(([partition, offset]) => ({ topic, partition, offset })));
  let caughtUp = false;
  assign();
  return {
    isCaughtUp: () => caughtUp,
    poll: (maxWaitMs) =>
      persist('fetch', async () => {
        let batches: readonly ReadBatch[];
        try {
          batches = await reader.poll({ maxWaitMs });
        } catch (error) {
          assign();
          throw error;
        }
        for (const { partition, nextOffset, endOffset } of batches) {
          positions.set(partition, nextOffset);
          ends.set(partition, endOffset);
        }
        let lag = 0;
        for (const [partition, end] of ends) lag += Math.max(0, end - (positions.get(partition) ?? end));
        metrics.lagRecords.set({ topic }, lag);
        caughtUp = lag === 0 || batches.every(({ records }) => records.length === 0);
        return batches;
      }),
  };
}

/** All records of these ranges that the topic still has. */
async function readRanges(
  loop: TopicLoop,
  ranges: readonly OffsetRange[],
  log: readonly PartitionOffsets[],
): Promise<InRecord[]> {
  const first = new Map(log.map(({ partition, start: logStart }) => [partition, logStart]));
  const starts = ranges.map(
    ({ partition, start }) => [partition, Math.max(start, first.get(partition) ?? start)] as const,
  );
  const ends = new Map(ranges.map(({ partition, end }) => [partition, end]));
  const unread = new Map(starts.filter(([partition, offset]) => offset < (ends.get(partition) ?? 0)));
  const source = createSource(loop, unread);
  const records: InRecord[] = [];
  while (unread.size > 0 && !loop.signal.aborted) {
    for (const { partition, records: found, nextOffset } of await source.poll(IDLE_POLL_MS)) {
      const end = ends.get(partition) ?? 0;
      if (!unread.has(partition)) continue;
      records.push(...found.filter(({ offset }) => offset < end));
      if (nextOffset >= end) unread.delete(partition);
    }
  }
  loop.signal.throwIfAborted();
  return records;
}

function observeLatency(records: readonly InRecord[], storedAtMs: number, { endToEndSeconds }: SinkMetrics): void {
  for (const record of records) endToEndSeconds.observe(Math.max(0, storedAtMs - ingestedAtMs(record)) / 1_000);
}
