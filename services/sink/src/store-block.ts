import type { OffsetCommit } from '@millrace/kafka';
import { type OffsetRange, WarehouseError } from '@millrace/warehouse';
import { type Block, blockOf, blockToken, type RefusedRecord } from './block.ts';
import { SinkError } from './errors.ts';
import { intentMetadata } from './intent.ts';
import type { Route } from './routes.ts';

/** Tokens that one block may use up: ClickHouse would have to die in the same microseconds so many times. */
const TOKENS_MAX = 3;

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
  const refused = await insertOrRefuse(route, block, outside, 'new');
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
  const stored = await outside.storedOffsets(ranges);
  if (stored.size > 0) {
    // The insert took place (a block is stored whole). What is not there was refused; its dead letters may be missing.
    await keepRefused(route, missingFrom(route, records, stored), outside);
    await advance(route.topic, ranges, outside);
    return 'was-stored';
  }
  const refused = await insertOrRefuse(route, blockOf(route, records, ranges, false), outside, 'repeated');
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
  outside: Outside,
  age: 'new' | 'repeated',
): Promise<readonly RefusedRecord[]> {
  if (block.rowCount === 0) return block.refused;
  const token = blockToken(route.topic, block.ranges);
  try {
    if (age === 'new') await outside.insert(block, token, { skipFaultyRows: false });
    else if ((await insertVisibly(block, token, outside, false)).size === 0) throw refusedBlock(token);
    return block.refused;
  } catch (error) {
    if (!isBadData(error)) throw error;
  }
  // Nothing of it is stored. Take only what the contract allows, and let ClickHouse leave out what it still refuses.
  const careful = blockOf(route, block.records, block.ranges, true);
  if (careful.rowCount === 0) return careful.refused;
  try {
    return missingFrom(route, block.records, await insertVisibly(careful, token, outside, true));
  } catch (error) {
    throw isBadData(error) ? refusedBlock(token, error) : error;
  }
}

/**
 * Inserts and looks what is there. ClickHouse writes a token to its log before the part gets its name: if it died in
 * between, it drops every repeat although the rows are not there, and only another token gets them in. Both happen under
 * one lock, so rows that are not to be seen after a repeat was dropped will never come.
 */
async function insertVisibly(
  block: Block,
  token: string,
  outside: Outside,
  skipFaultyRows: boolean,
): Promise<ReadonlySet<string>> {
  let stored: ReadonlySet<string> = new Set();
  for (let attempt = 1; stored.size === 0 && attempt <= TOKENS_MAX; attempt += 1) {
    await outside.insert(block, attempt === 1 ? token : `${token} #${attempt}`, { skipFaultyRows });
    stored = await outside.storedOffsets(block.ranges);
  }
  return stored;
}

function missingFrom(route: Route, records: Block['records'], stored: ReadonlySet<string>): RefusedRecord[] {
  return records
    .filter(({ partition, offset }) => !stored.has(`${partition}:${offset}`))
    .flatMap((record) => {
      const rows = route.rows(record, true);
      if ('reason' in rows) return [{ record, ...rows }];
      if (rows.count === 0) return []; // a record that is not for us
      const message = `ClickHouse cannot read it as a row of ${route.table}`;
      return [{ record, reason: 'refused-by-warehouse', message }];
    });
}

async function keepRefused(route: Route, refused: readonly RefusedRecord[], outside: Outside): Promise<void> {
  if (refused.length > 0 && route.refused === 'dead-letter') await outside.deadLetter(refused);
}

async function advance(topic: string, ranges: readonly OffsetRange[], outside: Outside): Promise<void> {
  await outside.commit(ranges.map(({ partition, end }) => ({ topic, partition, offset: end, metadata: '' })));
}

function refusedBlock(token: string, cause?: unknown): SinkError {
  const message = `ClickHouse does not take the block "${token}" although its records satisfy their contract. Compare the table with the migrations.`;
  return new SinkError('refused-block', message, { cause });
}

function isBadData(error: unknown): boolean {
  return error instanceof WarehouseError && error.code === 'bad-data';
}
