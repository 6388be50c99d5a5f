import type { HopHead, HopRange, HopTable, TableName } from '@millrace/warehouse';

/** How far a table has been read, and what is known to lie ahead. */
export interface TablePosition {
  readonly table: TableName;
  /** The last offset read of each partition; -1 before the first. */
  readonly read: Map<number, number>;
  /** What lay ahead when it was last looked up, less what was read since. */
  ahead: readonly HopHead[];
  /** Acceptance time of what is read next, for reading tables side by side. Epoch milliseconds. */
  aheadMs: number;
}

/** Records of a partition in one read: up to 20,000 of a table with four partitions, whose answer takes some 20 MB. */
export const READ_RECORDS_MAX = 5_000;

/** Tables are read side by side to within this time, so that few events are under way while old data is read. */
export const ALIGN_MS = 60_000;

export function startPosition(table: TableName, partitions: number): TablePosition {
  const read = new Map(Array.from({ length: partitions }, (_, partition) => [partition, -1]));
  return { table, read, ahead: [], aheadMs: 0 };
}

/** Takes in what was looked up. Positions that still have something ahead are not looked up anew. */
export function lookAhead(position: TablePosition, heads: readonly HopHead[]): void {
  position.ahead = heads.filter(({ table }) => table === position.table);
  position.aheadMs = Math.min(...position.ahead.map(({ oldestMs }) => oldestMs));
}

/**
 * The positions to read now: of those with something ahead the ones furthest behind, and those within `ALIGN_MS` of
 * them. With `holdFirstHops` no new events are taken in, only news of those under way.
 */
export function alignedPositions(
  positions: readonly TablePosition[],
  { holdFirstHops }: { readonly holdFirstHops: boolean },
): TablePosition[] {
  const waiting = positions.filter(({ ahead, table }) => ahead.length > 0 && !(holdFirstHops && FIRST_HOPS.has(table)));
  const furthestBehindMs = Math.min(...waiting.map(({ aheadMs }) => aheadMs));
  return waiting.filter(({ aheadMs }) => aheadMs <= furthestBehindMs + ALIGN_MS);
}

/** The next read of a table. The ledger is read by time and was bounded when it was looked up. */
export function nextRead({ table, read, ahead }: TablePosition): HopTable {
  const ranges = ahead.map(({ partition, first, head }): HopRange => {
    const upTo = table === 'ledger' ? head : Math.min(head, first + READ_RECORDS_MAX - 1);
    return { partition, after: read.get(partition) ?? -1, upTo };
  });
  return { table, ranges };
}

/** Moves a position behind a read, and returns whether something that was looked up still lies ahead. */
export function advance(position: TablePosition, { ranges }: HopTable): boolean {
  for (const { partition, upTo } of ranges) position.read.set(partition, upTo);
  position.ahead = position.ahead
    .map((head) => ({ ...head, first: (position.read.get(head.partition) ?? -1) + 1 }))
    .filter(({ first, head }) => first <= head);
  return position.ahead.length > 0;
}

const FIRST_HOPS: ReadonlySet<TableName> = new Set(['ledger', 'payments_raw', 'telemetry_raw']);
