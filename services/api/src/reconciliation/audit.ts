import type { countRepeats } from '@millrace/warehouse';

export type AuditedTable = Parameters<typeof countRepeats>[1];

export interface AuditOptions {
  readonly tables: readonly AuditedTable[];
  readonly countRepeats: (table: AuditedTable, part: { slice: number; slices: number }) => Promise<number>;
  readonly now: () => number;
}

/** Ids in one look: what ClickHouse remembers for it is about 32 MB. */
export const AUDIT_SLICE_ROWS = 1_000_000;
/** Of its time, the audit works at most this part, however large the tables are. */
const AUDIT_SHARE_MAX = 0.01;
const AUDIT_PAUSE_MS_MIN = 5_000;

/**
 * Looks through whole tables for rows that are there twice, a slice of all ids at a time, as often as a hundredth of
 * its time allows. It finds what following new rows cannot: a repeat of an event that was forgotten long ago.
 */
export function createAudit({ tables, countRepeats, now }: AuditOptions) {
  const repeats = new Map<AuditedTable, number>();
  let turn = 0;
  let round = { slices: 1, slice: 0, found: 0 };
  let nextAtMs = 0;

  return {
    /** Rows beyond one per event that the last look at each table found. */
    repeats: (): number => [...repeats.values()].reduce((sum, found) => sum + found, 0),

    /** Looks at the next slice when it is time; `rows` is how many each table has. */
    async step(rows: Readonly<Record<AuditedTable, number>>): Promise<void> {
      const startedMs = now();
      const table = tables[turn % tables.length];
      if (startedMs < nextAtMs || table === undefined) return;
      if (round.slice === 0) round = { slices: Math.ceil(rows[table] / AUDIT_SLICE_ROWS) || 1, slice: 0, found: 0 };
      round.found += await countRepeats(table, { slice: round.slice, slices: round.slices });
      round.slice += 1;
      // A round that goes on may already have found more than the last one did.
      repeats.set(table, round.slice === round.slices ? round.found : Math.max(repeats.get(table) ?? 0, round.found));
      if (round.slice === round.slices) {
        turn += 1;
        round.slice = 0;
      }
      nextAtMs = now() + Math.max(AUDIT_PAUSE_MS_MIN, (now() - startedMs) / AUDIT_SHARE_MAX);
    },
  };
}
