import type { TableName } from '../tables.ts';
import { type Connection, READ_SETTINGS } from './connection.ts';
import { HOP, HOP_SOURCES, type HopSource, type ReconciledKind } from './hop-sources.ts';

// What reconciliation asks of the warehouse. An event is compared across tables by the upper 53 bits of the hash of
// its id, which a JavaScript number carries exactly; two of 1,000,000 events under way share them with a probability
// of 1 : 18,000.

/** Rows of one partition that are to be read: offsets in `(after, upTo]`. For the ledger they are `_stored_at` in ms. */
export interface HopRange {
  readonly partition: number;
  readonly after: number;
  readonly upTo: number;
}

/** A table's part in a read. */
export interface HopTable {
  readonly table: TableName;
  readonly ranges: readonly HopRange[];
}

/** What lies behind the position up to which a partition of a table was read. */
export interface HopHead {
  readonly table: TableName;
  readonly partition: number;
  /** First and last offset (ledger: `_stored_at` in ms). */
  readonly first: number;
  readonly head: number;
  /** Earliest and latest `ingested_at` (ledger: `_stored_at`). Epoch milliseconds. */
  readonly oldestMs: number;
  readonly newestMs: number;
  /** There is more behind `head`; only the ledger is looked up piece by piece. */
  readonly more: boolean;
}

/** What the rows of one read say of an event. */
export interface HopSighting {
  readonly hash: number;
  /** `HOP` bits. */
  readonly hops: number;
  /** The earliest acceptance. Epoch milliseconds. */
  readonly sinceMs: number;
  /** Rows of the enriched table, and how many of them an event has when it is there once (one per metric). */
  readonly enrichedRows: number;
  readonly enrichedRowsOnce: number;
  readonly decidedRows: number;
}

/**
 * What lies behind these positions: partition -> last offset read (ledger: partition 0 -> last `_stored_at`).
 *
 * Rows of a partition appear in the order of their offsets (the sink inserts so), so that everything up to `head` is
 * there to be read. A ledger entry is stamped when its insert begins and seen when it ends, so what is younger than
 * `LEDGER_VISIBLE_MS` is left for the next time; about `LEDGER_READ_ROWS` of them are taken at once.
 */
export async function readHopHeads(
  connection: Connection,
  kind: ReconciledKind,
  positions: ReadonlyMap<TableName, ReadonlyMap<number, number>>,
): Promise<HopHead[]> {
  const selects = [...positions].map(([table, read]) => {
    if (table === 'ledger') return ledgerHead(kind, read.get(0) ?? -1);
    const ranges = [...read].map(([partition, after]) => ({ partition, after, upTo: Number.MAX_SAFE_INTEGER }));
    return `SELECT '${table}' AS table, toUInt32(_partition) AS partition, toInt64(min(_offset)) AS first, toInt64(max(_offset)) AS head,
        toUnixTimestamp64Milli(min(ingested_at)) AS oldestMs, toUnixTimestamp64Milli(max(ingested_at)) AS newestMs, false AS more
      FROM ${table} WHERE ${inRanges(ranges)} GROUP BY _partition`;
  });
  return selects.length === 0 ? [] : await query<HopHead>(connection, selects.join('\nUNION ALL\n'));
}

function ledgerHead(kind: ReconciledKind, afterMs: number): string {
  return `SELECT 'ledger' AS table, toUInt32(0) AS partition, toUnixTimestamp64Milli(min(_stored_at)) AS first,
      toUnixTimestamp64Milli(max(_stored_at)) AS head, toUnixTimestamp64Milli(min(_stored_at)) AS oldestMs,
      toUnixTimestamp64Milli(max(_stored_at)) AS newestMs, toBool(count() >= ${LEDGER_READ_ROWS}) AS more
    FROM (SELECT _stored_at FROM ledger
          WHERE ${sourceOf(kind, 'ledger').only} AND _stored_at > fromUnixTimestamp64Milli(${integer(afterMs)}, 'UTC')
            AND _stored_at <= now64(3) - toIntervalMillisecond(${LEDGER_VISIBLE_MS})
          ORDER BY _stored_at LIMIT ${LEDGER_READ_ROWS})
    HAVING count() > 0`;
}

/** Below the settle time of ten seconds, and above what an insert of a ledger's block takes. */
export const LEDGER_VISIBLE_MS = 5_000;
const LEDGER_READ_ROWS = 20_000;

/** The latest acceptance among the rows of a part of what lies ahead. Epoch milliseconds; 0 where there are none. */
export async function readNewestMs(connection: Connection, { table, ranges }: HopTable): Promise<number> {
  const sql = `SELECT toUnixTimestamp64Milli(max(ingested_at)) AS newestMs FROM ${table} WHERE ${inRanges(ranges)}`;
  const [row] = await query<{ newestMs: number }>(connection, sql);
  return row?.newestMs ?? 0;
}

/** What the rows in these ranges say, one entry per event. */
export async function readHops(
  connection: Connection,
  kind: ReconciledKind,
  tables: readonly HopTable[],
): Promise<HopSighting[]> {
  const read = tables.filter(({ ranges }) => ranges.length > 0);
  return await sightings(
    connection,
    read.map((table) => hopSelect(kind, table)),
  );
}

/**
 * What rows up to the given positions say of these events, for those of which the beginning is no longer in memory.
 * Reads the ids of whole tables: 10 to 20 ms per million rows.
 */
export async function findHops(
  connection: Connection,
  kind: ReconciledKind,
  tables: readonly HopTable[],
  hashes: readonly number[],
): Promise<HopSighting[]> {
  if (hashes.length === 0) return [];
  const list = hashes.map(integer).join(',');
  const read = tables.filter(({ table, ranges }) => table !== 'ledger' && ranges.length > 0);
  return await sightings(
    connection,
    read.map((table) => `SELECT * FROM (${hopSelect(kind, table)}) WHERE h IN (${list})`),
  );
}

/** Most hashes in one `findHops`: each is up to 17 bytes of a statement that may have 256 KiB for each table. */
export const FIND_HASHES_MAX = 4_000;

/** Rows of the tables that must have an event once, from metadata alone. */
export async function countHopRows(
  connection: Connection,
): Promise<Record<'payments' | 'decisions' | 'telemetry', number>> {
  const [row] = await query<Record<'payments' | 'decisions' | 'telemetry', number>>(
    connection,
    `SELECT (SELECT count() FROM payments) AS payments, (SELECT count() FROM decisions) AS decisions,
       (SELECT count() FROM telemetry) AS telemetry`,
  );
  if (row === undefined) throw new TypeError('A SELECT without FROM gives one row.');
  return row;
}

/**
 * Rows beyond one per event (for telemetry: per event and metric), in one of `slices` equal parts of all ids. Reads
 * the ids of the whole table, and remembers those of the slice.
 */
export async function countRepeats(
  connection: Connection,
  table: 'payments' | 'decisions' | 'telemetry',
  { slice, slices }: { readonly slice: number; readonly slices: number },
): Promise<number> {
  const { hash, part = `''` } = sourceOf(table === 'telemetry' ? 'telemetry' : 'payments', table);
  const rows = await query<{ repeats: number }>(
    connection,
    `SELECT count() - uniqExact(k) AS repeats FROM (SELECT cityHash64(${hash}, ${part}) AS k FROM ${table}) WHERE k % ${integer(slices)} = ${integer(slice)}`,
  );
  return rows[0]?.repeats ?? 0;
}

function sourceOf(kind: ReconciledKind, table: TableName): HopSource {
  const source = HOP_SOURCES[kind].find((candidate) => candidate.table === table);
  if (source === undefined) throw new TypeError(`${table} shows no ${kind}.`);
  return source;
}

/** One row per row of the table: hash, hop, time of acceptance, and the part of the event that it is. */
function hopSelect(kind: ReconciledKind, { table, ranges }: HopTable): string {
  const { hop, hash, time, only = '1', part = `''` } = sourceOf(kind, table);
  const condition = table === 'ledger' ? storedWithin(ranges) : inRanges(ranges);
  return `SELECT bitShiftRight(${hash}, 11) AS h, toUInt8(${hop}) AS b, ${time} AS t, ${part} AS p
    FROM ${table} WHERE ${condition} AND ${only}`;
}

async function sightings(connection: Connection, selects: readonly string[]): Promise<HopSighting[]> {
  if (selects.length === 0) return [];
  const rows = await query<{ h: number; b: number; t: number; e: number; p: number; d: number }>(
    connection,
    `SELECT h, groupBitOr(s.b) AS b, toUnixTimestamp64Milli(min(s.t)) AS t, countIf(s.b = ${HOP.enriched}) AS e,
       uniqExactIf(s.p, s.b = ${HOP.enriched}) AS p, countIf(s.b = ${HOP.decided}) AS d
     FROM (${selects.join('\nUNION ALL\n')}) AS s GROUP BY h`,
  );
  return rows.map(({ h, b, t, e, p, d }) => ({
    hash: h,
    hops: b,
    sinceMs: t,
    enrichedRows: e,
    enrichedRowsOnce: p,
    decidedRows: d,
  }));
}

/** The bounds over all partitions come first: the index by offset knows nothing of partitions. */
function inRanges(ranges: readonly HopRange[]): string {
  const lowest = Math.min(...ranges.map(({ after }) => after));
  const highest = Math.max(...ranges.map(({ upTo }) => upTo));
  const each = ranges.map(
    ({ partition, after, upTo }) =>
      `(_partition = ${integer(partition)} AND _offset > ${integer(after)} AND _offset <= ${integer(upTo)})`,
  );
  return `_offset > ${integer(lowest)} AND _offset <= ${integer(highest)} AND (${each.join(' OR ')})`;
}

function storedWithin([range]: readonly HopRange[]): string {
  const time = (ms: number) => `fromUnixTimestamp64Milli(${integer(ms)}, 'UTC')`;
  return range === undefined ? 'false' : `_stored_at > ${time(range.after)} AND _stored_at <= ${time(range.upTo)}`;
}

function integer(value: number): string {
  if (!Number.isSafeInteger(value)) throw new TypeError(`${value} is not an integer.`);
  return String(value);
}

/** A background loop may wait longer than a person, and leaves the other core alone. */
function query<Row>(connection: Connection, sql: string): Promise<Row[]> {
  return connection.query<Row>(sql, {
    settings: { ...READ_SETTINGS, max_execution_time: RECONCILE_READ_MS_MAX / 1000, max_threads: 1 },
  });
}

const RECONCILE_READ_MS_MAX = 25_000;
