import type { CommittedOffset, PartitionOffsets } from '@millrace/kafka';
import type { OffsetRange } from '@millrace/warehouse';
import { SinkError } from './errors.ts';
import { readIntent } from './intent.ts';

/** What is known about a topic when its owner starts. */
export interface TopicState {
  readonly committed: readonly CommittedOffset[];
  /** What Kafka still has of each partition. */
  readonly log: readonly PartitionOffsets[];
  /** The highest offset that ClickHouse has of each partition. */
  readonly highest: ReadonlyMap<number, number>;
}

export interface StartingPoint {
  /** The next offset of each partition, once the block under way is complete. */
  readonly positions: ReadonlyMap<number, number>;
  /** The block that was under way; empty when there is none. */
  readonly intent: readonly OffsetRange[];
  /** ClickHouse has lost the table: everything that Kafka has is stored again, and the group's offsets are void. */
  readonly rewound: boolean;
  /** Offsets that Kafka deleted before they were stored. */
  readonly lostOffsets: number;
}

/**
 * Where to go on. Kafka's committed offsets lead, because they also cover records that made no row; ClickHouse
 * overrules them in two cases: it is ahead (the group's offsets were lost), or it has nothing of the topic at all
 * although offsets were committed (the database was dropped).
 *
 * Throws `topic-recreated` when ClickHouse has offsets that Kafka has not reached: the same offset would name two
 * different records.
 */
export function startingPoint(topic: string, { committed, log, highest }: TopicState): StartingPoint {
  const positions = new Map<number, number>();
  const intent: OffsetRange[] = [];
  const rewound = highest.size === 0 && log.some(({ partition, start }) => committedOf(committed, partition) > start);
  let lostOffsets = 0;
  for (const { partition, start, end } of log) {
    const stored = highest.get(partition) ?? -1;
    if (stored >= end) {
      throw new SinkError(
        'topic-recreated',
        `ClickHouse has offset ${stored} of ${topic}-${partition}, but the topic ends at ${end}: it was deleted and created anew. Use an empty database (CLICKHOUSE_DATABASE), or other topics (TOPIC_PREFIX); npm run reset does both on a laptop.`,
      );
    }
    if (rewound) {
      positions.set(partition, start);
      continue;
    }
    const offset = committedOf(committed, partition);
    const intentEnd = readIntent(metadataOf(committed, partition), offset);
    if (intentEnd !== undefined) {
      intent.push({ partition, start: offset, end: intentEnd });
      positions.set(partition, intentEnd);
      continue;
    }
    const next = Math.max(offset, stored + 1);
    if (next < start && next > 0) lostOffsets += start - next;
    positions.set(partition, Math.max(next, start));
  }
  return { positions, intent, rewound, lostOffsets };
}

function committedOf(committed: readonly CommittedOffset[], partition: number): number {
  return committed.find((entry) => entry.partition === partition)?.offset ?? -1;
}

function metadataOf(committed: readonly CommittedOffset[], partition: number): string {
  return committed.find((entry) => entry.partition === partition)?.metadata ?? '';
}
