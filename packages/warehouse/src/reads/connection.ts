import type { QueryOptions, Warehouse } from '../client.ts';

export type Connection = Pick<Warehouse, 'query'>;

/** A question of a person or a dashboard; what takes longer needs a narrower range, not more patience. */
export const READ_MS_MAX = 5_000;

/**
 * Settings of a read that somebody waits for: bounded in time, in memory and in threads, so that it cannot starve the
 * inserts. With `prefer_column_name_to_alias` a column keeps its name in the answer and its type in WHERE.
 */
export const READ_SETTINGS = {
  max_execution_time: READ_MS_MAX / 1000,
  timeout_overflow_mode: 'throw',
  max_threads: 2,
  max_memory_usage: String(512 * 1024 ** 2),
  prefer_column_name_to_alias: 1,
} as const;

export function read<Row>(connection: Connection, sql: string, params: QueryOptions['params'] = {}): Promise<Row[]> {
  return connection.query<Row>(sql, { params, settings: READ_SETTINGS });
}

/** Conditions of a WHERE with their values; a filter that was not asked for adds nothing. */
export interface Conditions {
  readonly sql: string[];
  readonly params: Record<string, unknown>;
}

/** `{ customer_id: 'c1', merchant_id: undefined }` becomes `customer_id = {customer_id:String}`. */
export function equals(filters: Readonly<Record<string, string | undefined>>): Conditions {
  const conditions: Conditions = { sql: [], params: {} };
  for (const [column, value] of Object.entries(filters)) {
    if (value === undefined) continue;
    conditions.sql.push(`${column} = {${column}:String}`);
    conditions.params[column] = value;
  }
  return conditions;
}

export function where({ sql }: Conditions): string {
  return sql.length === 0 ? '' : `WHERE ${sql.join(' AND ')}`;
}

/** `[from, until)` in epoch milliseconds. */
export interface TimeRange {
  readonly fromMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

export function within(conditions: Conditions, column: string, { fromMs, untilMs }: TimeRange): void {
  if (fromMs !== undefined) {
    conditions.sql.push(`${column} >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')`);
    conditions.params.from_ms = fromMs;
  }
  if (untilMs !== undefined) {
    conditions.sql.push(`${column} < fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC')`);
    conditions.params.until_ms = untilMs;
  }
}

/** The last row of a page, newest first: the next page begins behind it, whatever was inserted meanwhile. */
export interface PagePosition {
  readonly timeMs: number;
  readonly id: string;
}

export interface Page {
  readonly limit: number;
  readonly after?: PagePosition | undefined;
}

export function behind(
  conditions: Conditions,
  timeColumn: string,
  idColumn: string,
  after: PagePosition | undefined,
): void {
  if (after === undefined) return;
  const time = `fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC')`;
  // The first comparison alone prunes by the table's order, the second makes it exact.
  conditions.sql.push(`${timeColumn} <= ${time}`, `(${timeColumn} < ${time} OR ${idColumn} < {after_id:String})`);
  Object.assign(conditions.params, { after_ms: after.timeMs, after_id: after.id });
}

/** The columns of a table have '' or NULL for what an event does not have; the event's type leaves it out. */
export function present<Row extends object>(row: Row): Partial<Row> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== '' && value !== null)) as Partial<Row>;
}

/** Epoch milliseconds under the column's own name. */
export function millis(column: string): string {
  return `toUnixTimestamp64Milli(${column}) AS ${column}`;
}
