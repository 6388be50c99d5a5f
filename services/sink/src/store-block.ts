import type { OffsetCommit } from '@millrace/kafka';
import { type OffsetRange, WarehouseError } from '@millrace/warehouse';
import { type Block, blockOf, blockToken, type RefusedRecord } from './block.ts';
import { SinkError } from './errors.ts';
import { intentMetadata } from './intent.ts';
import type { Route } from './routes.ts';

/**
 * What storing needs of the outside. Each call is tried until it has an answer (see `outside.ts`), and throws only what
 * must end the loop: `fenced`, `stopped`, or an error that no repeat can cure.
 */
export interface Outside {
  /** Commits offsets of the group; `fenced` when this member's generation is over. */
  commit(offsets: readonly OffsetCommit[]): Promise<void>;
  insert(block: Block, token: string, options: { readonly skipFaultyRows: boolean }): Promise<void>;
  /** Which offsets of the ranges have a row, as `partition:offset`. */
  storedOffsets(ranges: readonly OffsetRange[]): Promise<ReadonlySet<string>>;
  /** Resolves when the dead letters are in Kafka. */
  deadLetter(records: readonly RefusedRecord[]): Promise<void>;
}

/**
 * Stores one block of a topic.
 *
 * Delivery: exactly once. Kafka's committed offset alone cannot tell whether the insert after it took place, and
 * ClickHouse alone forgets tokens in the end; together they can. The block's exact ranges are committed as an intent
 * before the insert, so that whoever comes after a crash repeats this very block, under this very token, and nothing
 * else. An owner that was replaced without noticing is stopped at step 1 by its group generation; if its insert was
 * already under way, the token makes one block of the two. What cannot be a row becomes a dead letter at least once,
 * with an id that names its offset.
 */
export async function storeBlock(route: Route, block: Block, outside: Outside): Promise<readonly RefusedRecord[]> {
  const { topic } = route;
  // 1. Intent. The position stays at the start of the block; the metadata says where the block ends.
  await outside.commit(
    block.ranges.map(({ partition, start, end }) => ({
      topic,
      partition,
      offset: start,
      metadata: intentMetadata(end),
    })),
  );
  // 2. Insert: one part, visible as a whole or not at all, and dropped if the token is known.
  const refused = await insertOrRefuse(route, block, blockToken(topic, block.ranges), outside);
  // 3. What could not be stored is kept as dead letters before its offsets are passed.
  await keepRefused(route, refused, outside);
  // 4. Advance. Metadata is empty again: there is no block under way.
  await advance(topic, block.ranges, outside);
  return refused;
}

/**
 * Completes the block that an intent names, after a crash at any point of `storeBlock`. `records` are all the records
 * of the intent's ranges. Delivery: as there.
 */
export async function completeBlock(
  route: Route,
  records: Block['records'],
  ranges: readonly OffsetRange[],
  outside: Outside,
): Promise<'was-stored' | 'stored-now'> {
  const token = blockToken(route.topic, ranges);
  const stored = await outside.storedOffsets(ranges);
  if (stored.size > 0) {
    // The insert took place (a block is stored whole). What is not there was refused; its dead letters may be missing.
    await keepRefused(route, missingFrom(route, records, stored), outside);
    await advance(route.topic, ranges, outside);
    return 'was-stored';
  }
  const block = blockOf(route, records, ranges, false);
  let refused = await insertOrRefuse(route, block, token, outside);
  // ClickHouse writes a token to its log before the part gets its name. If it died in between, it drops our repeat
  // although the rows are not there. Both happen under one lock, so rows that we do not see now will never come.
  if (refused.length < records.length && (await outside.storedOffsets(ranges)).size === 0) {
    refused = await insertOrRefuse(route, block, `${token} again`, outside);
  }
  await keepRefused(route, refused, outside);
  await advance(route.topic, ranges, outside);
  return 'stored-now';
}

/**
 * Inserts the block; if ClickHouse refuses it, isolates the records at fault, so that one poison record does not hold up
 * those around it. Returns the records that are not stored.
 */
async function insertOrRefuse(
  route: Route,
  block: Block,
  token: string,
  outside: Outside,
): Promise<readonly RefusedRecord[]> {
  if (block.rowCount === 0) return block.refused;
  try {
    await outside.insert(block, token, { skipFaultyRows: false });
    return block.refused;
  } catch (error) {
    if (!isBadData(error)) throw error;
  }
  // Nothing of it is stored. Take only what the contract allows, and let ClickHouse leave out what it still refuses.
  const careful = blockOf(route, block.records, block.ranges, true);
  if (careful.rowCount === 0) return careful.refused;
  try {
    await outside.insert(careful, token, { skipFaultyRows: true });
  } catch (error) {
    if (!isBadData(error)) throw error;
    const message = `ClickHouse refuses the block "${token}" although each of its records satisfies its contract`;
    throw new SinkError('refused-block', message, { cause: error });
  }
  return missingFrom(route, block.records, await outside.storedOffsets(block.ranges));
}

function missingFrom(route: Route, records: Block['records'], stored: ReadonlySet<string>): RefusedRecord[] {
  return records
    .filter(({ partition, offset }) => !stored.has(`${partition}:${offset}`))
    .map((record) => {
      const rows = route.rows(record, true);
      if ('reason' in rows) return { record, ...rows };
      return {
        record,
        reason: 'refused-by-warehouse',
        message: `ClickHouse cannot read it as a row of ${route.table}`,
      };
    });
}

async function keepRefused(route: Route, refused: readonly RefusedRecord[], outside: Outside): Promise<void> {
  if (refused.length > 0 && route.refused === 'dead-letter') await outside.deadLetter(refused);
}

async function advance(topic: string, ranges: readonly OffsetRange[], outside: Outside): Promise<void> {
  await outside.commit(ranges.map(({ partition, end }) => ({ topic, partition, offset: end, metadata: '' })));
}

function isBadData(error: unknown): boolean {
  return error instanceof WarehouseError && error.code === 'bad-data';
}
