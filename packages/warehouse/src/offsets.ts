import type { QueryOptions, Warehouse } from './client.ts';
import type { RecordTableName } from './tables.ts';

/** Offsets from `start` to before `end` of a partition. */
export interface OffsetRange {
  readonly partition: number;
  readonly start: number;
  readonly end: number;
}

type Connection = Pick<Warehouse, 'query'>;
type Options = Pick<QueryOptions, 'signal'>;

/** The highest offset that `table` has of each partition of `topic`; a partition without rows is not in the map. */
export async function highestOffsets(
  warehouse: Connection,
  table: RecordTableName,
  topic: string,
  options: Options = {},
): Promise<Map<number, number>> {
  const rows = await warehouse.query<{ partition: number; highest: number }>(
    `SELECT _partition AS partition, max(_offset) AS highest FROM ${table} WHERE _topic = {topic:String} GROUP BY _partition`,
    { ...options, params: { topic } },
  );
  return new Map(rows.map(({ partition, highest }) => [partition, highest]));
}

/** Which offsets of these ranges have a row in `table`, as `partition:offset`. The ranges are those of a block: small. */
export async function storedOffsets(
  warehouse: Connection,
  table: RecordTableName,
  topic: string,
  ranges: readonly OffsetRange[],
  options: Options = {},
): Promise<Set<string>> {
  if (ranges.length === 0) return new Set();
  const within = ranges.map(
    ({ partition, start, end }) =>
      `(_partition = ${Number(partition)} AND _offset >= ${Number(start)} AND _offset < ${Number(end)})`,
  );
  const rows = await warehouse.query<{ partition: number; offset: number }>(
    `SELECT DISTINCT _partition AS partition, _offset AS offset FROM ${table} WHERE _topic = {topic:String} AND (${within.join(' OR ')})`,
    { ...options, params: { topic } },
  );
  return new Set(rows.map(({ partition, offset }) => `${partition}:${offset}`));
}
