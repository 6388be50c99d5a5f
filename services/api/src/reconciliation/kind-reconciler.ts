import type { HopCounts, HopHead, HopSighting, HopTable, ReconciledKind, TableName } from '@millrace/warehouse';
import { FIND_HASHES_MAX, HOP_SOURCES } from '@millrace/warehouse';
import { type AuditedTable, createAudit } from './audit.ts';
import { advance, alignedPositions, lookAhead, nextRead, startPosition, type TablePosition } from './positions.ts';
import { createSettling } from './settling.ts';
import { createTracker } from './tracker.ts';

/** Rows of the tables that must have an event once. */
export type RowCounts = Readonly<Record<AuditedTable, number>>;

/** What reconciliation reads; `packages/warehouse` with a connection. */
export interface ReconciliationReads {
  heads(kind: ReconciledKind, positions: ReadonlyMap<TableName, ReadonlyMap<number, number>>): Promise<HopHead[]>;
  hops(kind: ReconciledKind, tables: readonly HopTable[]): Promise<HopSighting[]>;
  newestMs(table: HopTable): Promise<number>;
  find(kind: ReconciledKind, tables: readonly HopTable[], hashes: readonly number[]): Promise<HopSighting[]>;
  countRows(): Promise<RowCounts>;
  countRepeats(table: AuditedTable, part: { slice: number; slices: number }): Promise<number>;
}

export interface KindReconcilerOptions {
  readonly kind: ReconciledKind;
  readonly reads: ReconciliationReads;
  readonly partitions: number;
  readonly settleMs: number;
  readonly stallMs: number;
  readonly now: () => number;
  readonly underWayMax?: number;
}

/** Events under way at which no new ones are read until some arrive: about 50 MB. */
export const UNDER_WAY_MAX = 500_000;

/**
 * Reconciles one kind of event. `step` reads what is new in each table, once, and returns whether it has read
 * everything there is.
 *
 * A step that fails may be repeated: a read changes counts and position together, after its answer is there.
 */
export function createKindReconciler(options: KindReconcilerOptions) {
  const { kind, reads, partitions, settleMs, stallMs, now, underWayMax = UNDER_WAY_MAX } = options;
  const positions = HOP_SOURCES[kind].map(({ table }) => startPosition(table, PARTITIONS_OF[table] ?? partitions));
  const lastHop: TableName = kind === 'payments' ? 'decisions' : 'telemetry';
  const audited: readonly AuditedTable[] = kind === 'payments' ? ['payments', 'decisions'] : ['telemetry'];
  const tracker = createTracker({ kind });
  const settling = createSettling({ settleMs, stallMs });
  const audit = createAudit({ tables: audited, countRepeats: reads.countRepeats, now });
  let rowsRead = 0;
  let rowsBehind = 0;
  let settledBeforeMs = 0;

  async function lookUpHeads(): Promise<boolean> {
    const empty = positions.filter(({ ahead }) => ahead.length === 0);
    const heads = await reads.heads(kind, new Map(empty.map(({ table, read }) => [table, read])));
    for (const position of empty) lookAhead(position, heads);
    return heads.some(({ more }) => more);
  }

  /** False when nothing could be read. */
  async function readAhead(): Promise<boolean> {
    const due = alignedPositions(positions, { holdFirstHops: tracker.underWay >= underWayMax });
    if (due.length === 0) return false;
    const tables = due.map((position) => ({ position, read: nextRead(position) }));
    const sightings = await reads.hops(
      kind,
      tables.map(({ read }) => read),
    );
    tracker.observe(sightings);
    for (const { enrichedRows, decidedRows } of sightings) rowsRead += enrichedRows + decidedRows;
    const unfinished = tables.filter(({ position, read }) => {
      if (position.table === lastHop) settling.moved(position.ahead, now());
      return advance(position, read);
    });
    for (const { position, read } of unfinished) position.aheadMs = await reads.newestMs(read);
    return true;
  }

  async function confirmSettled(): Promise<void> {
    settledBeforeMs = settling.settledBeforeMs(now());
    const hashes = tracker.unconfirmed(settledBeforeMs, FIND_HASHES_MAX);
    if (hashes.length > 0) tracker.confirm(hashes, await reads.find(kind, positions.map(wholeRead), hashes));
  }

  return {
    /** `rows` were counted before, so that every row counted lies at or before a head that is looked up now. */
    async step(rows: RowCounts): Promise<boolean> {
      const more = await lookUpHeads();
      const someRead = await readAhead();
      const allRead = !more && positions.every(({ ahead }) => ahead.length === 0);
      // Neither: so much is under way that the first hops are held back, and the others have no news. That is a result.
      if (!allRead && someRead) return false;
      // All rows there were have been read by offset. What is counted beyond them was inserted behind a position.
      if (allRead) rowsBehind = Math.max(0, audited.reduce((sum, table) => sum + rows[table], 0) - rowsRead);
      await confirmSettled();
      await audit.step(rows);
      return true;
    },
    counts(): HopCounts {
      const counts = tracker.counts(settledBeforeMs);
      return { ...counts, duplicated: Math.max(counts.duplicated + rowsBehind, audit.repeats()) };
    },
    underWay: (): number => tracker.underWay,
  };
}

export type KindReconciler = ReturnType<typeof createKindReconciler>;

/** Tables whose topic has a number of partitions of its own; the ledger has a time in place of an offset. */
const PARTITIONS_OF: Readonly<Partial<Record<TableName, number>>> = { ledger: 1, dead_letters: 1 };

function wholeRead({ table, read }: TablePosition): HopTable {
  const ranges = [...read].map(([partition, upTo]) => ({ partition, after: -1, upTo }));
  return { table, ranges: ranges.filter(({ upTo }) => upTo >= 0) };
}
