import {
  HOP,
  HOP_SOURCES,
  type HopHead,
  type HopRange,
  type HopSighting,
  type HopTable,
  type ReconciledKind,
  type TableName,
} from '@millrace/warehouse';
import type { ReconciliationReads } from '../../src/reconciliation/kind-reconciler.ts';

export interface MemoryRow {
  readonly table: TableName;
  readonly partition: number;
  readonly offset: number;
  /** In place of the hash. */
  readonly id: number;
  readonly timeMs: number;
  /** Metric of a reading. */
  readonly part?: string;
}

/** Tables in memory that answer as the warehouse does; rows are pushed by the test. */
export function memoryTables(rows: MemoryRow[]): ReconciliationReads {
  const hopOf = (kind: ReconciledKind, table: TableName) =>
    HOP_SOURCES[kind].find((source) => source.table === table)?.hop ?? 0;
  const inRanges = ({ table, ranges }: { table: TableName; ranges: readonly HopRange[] }) =>
    rows.filter(
      (row) =>
        row.table === table &&
        ranges.some(
          ({ partition, after, upTo }) => row.partition === partition && row.offset > after && row.offset <= upTo,
        ),
    );
  const sightings = (kind: ReconciledKind, found: readonly MemoryRow[]): HopSighting[] =>
    [...Map.groupBy(found, ({ id }) => id)].map(([hash, group]) => {
      const at = (hop: number) => group.filter(({ table }) => hopOf(kind, table) === hop);
      return {
        hash,
        hops: group.reduce((bits, { table }) => bits | hopOf(kind, table), 0),
        sinceMs: Math.min(...group.map(({ timeMs }) => timeMs)),
        enrichedRows: at(HOP.enriched).length,
        enrichedRowsOnce: new Set(at(HOP.enriched).map(({ part }) => part)).size,
        decidedRows: at(HOP.decided).length,
      };
    });
  return {
    heads: async (_kind, positions) =>
      [...positions].flatMap(([table, read]) =>
        [...read].flatMap(([partition, after]): HopHead[] => {
          const ahead = inRanges({ table, ranges: [{ partition, after, upTo: Number.MAX_SAFE_INTEGER }] });
          if (ahead.length === 0) return [];
          const offsets = ahead.map(({ offset }) => offset);
          const times = ahead.map(({ timeMs }) => timeMs);
          return [
            {
              table,
              partition,
              first: Math.min(...offsets),
              head: Math.max(...offsets),
              oldestMs: Math.min(...times),
              newestMs: Math.max(...times),
              more: false,
            },
          ];
        }),
      ),
    hops: async (kind, tables) =>
      sightings(
        kind,
        tables.flatMap((table) => inRanges(table)),
      ),
    newestMs: async (table: HopTable) => Math.max(0, ...inRanges(table).map(({ timeMs }) => timeMs)),
    find: async (kind, tables, hashes) =>
      sightings(
        kind,
        tables.flatMap((table) => inRanges(table)).filter(({ id, table }) => table !== 'ledger' && hashes.includes(id)),
      ),
    countRows: async () => {
      const count = (table: TableName) => rows.filter((row) => row.table === table).length;
      return { payments: count('payments'), decisions: count('decisions'), telemetry: count('telemetry') };
    },
    countRepeats: async (table, { slice, slices }) => {
      const part = rows.filter((row) => row.table === table && row.id % slices === slice);
      return part.length - new Set(part.map(({ id, part }) => `${id} ${part}`)).size;
    },
  };
}
