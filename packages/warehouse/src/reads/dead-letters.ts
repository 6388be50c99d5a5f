import type { DeadLetter } from '@millrace/contracts';
import {
  type Conditions,
  type Connection,
  equals,
  millis,
  type PagePosition,
  present,
  read,
  type TimeRange,
  where,
  within,
} from './connection.ts';

/** Of failures: a letter is found when one of its failures is as asked. The range is of the time of the failure. */
export interface DeadLetterFilter extends TimeRange {
  readonly id?: string | undefined;
  readonly stage?: string | undefined;
  readonly reason?: string | undefined;
  /** Kind of origin: `kafka`, `mqtt`, `http`. */
  readonly origin?: string | undefined;
  /** Kafka or MQTT topic. */
  readonly topic?: string | undefined;
  /** Who published it over MQTT; of a record of Kafka, its key. */
  readonly device_id?: string | undefined;
  /** Whether it has been sent again to the stage that had refused it. */
  readonly redriven?: boolean | undefined;
}

/** One stage's refusal of a record. A stage that has refused it several times (after a rebuild) counts once, the last time. */
export interface LetterFailure {
  readonly stage: string;
  readonly reason: string;
  readonly message: string;
  /** Epoch ms. */
  readonly failed_at: number;
  /** Epoch ms; undefined: not yet. */
  readonly redriven_at?: number;
}

export interface LetterRedrive {
  readonly redriven_at: number;
  /** All stages for which it had been redriven by then. */
  readonly stages: readonly string[];
  readonly topic: string;
  readonly event_ids: readonly string[];
}

/**
 * A record or message that was refused. Several stages may refuse the same record: that is one letter, since sending the
 * record again is one act.
 */
export interface StoredLetter {
  readonly id: string;
  readonly origin: DeadLetter['origin'];
  readonly key?: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Whole, or cut as asked; empty for a record without a value, or one that no letter could hold. */
  readonly value_base64: string;
  /** Of the whole value. */
  readonly value_bytes: number;
  readonly is_cut: boolean;
  /** Epoch ms; of all that is stored, also of failures that do not count. */
  readonly first_failed_at: number;
  /** Oldest first; at least one. */
  readonly failures: readonly LetterFailure[];
  /** Oldest first. */
  readonly redrives: readonly LetterRedrive[];
}

/** Which letters, without what is in them. */
export interface LetterPosition extends PagePosition {
  readonly base64Length: number;
}

export interface LetterPage {
  readonly order: 'newest-first' | 'oldest-first';
  readonly limit: number;
  readonly after?: PagePosition | undefined;
}

/** Positions of a page: a letter's time is that of its first failure that is as asked. */
export function listDeadLetters(
  connection: Connection,
  filter: DeadLetterFilter,
  page: LetterPage,
): Promise<LetterPosition[]> {
  const { sql, params } = lettersOf(filter, page);
  const direction = page.order === 'newest-first' ? 'DESC' : 'ASC';
  return read<LetterPosition>(
    connection,
    `SELECT letter AS id, toUnixTimestamp64Milli(first) AS timeMs, base64Length FROM (${sql})
     ORDER BY first ${direction}, letter ${direction} LIMIT {limit:UInt32}`,
    { ...params, limit: page.limit },
  );
}

/** How many letters there are from a position on. */
export async function countDeadLetters(
  connection: Connection,
  filter: DeadLetterFilter,
  page: Pick<LetterPage, 'order' | 'after'>,
): Promise<number> {
  const { sql, params } = lettersOf(filter, page);
  const [row] = await read<{ letters: number }>(connection, `SELECT count() AS letters FROM (${sql})`, params);
  return row?.letters ?? 0;
}

/**
 * What is in the letters with these ids, in their order; one that is not there is left out.
 *
 * @param options.base64LengthMax cuts the bytes; a multiple of 4 keeps them readable
 */
export async function readDeadLetters(
  connection: Connection,
  ids: readonly string[],
  { base64LengthMax }: { readonly base64LengthMax?: number } = {},
): Promise<StoredLetter[]> {
  if (ids.length === 0) return [];
  const value = base64LengthMax === undefined ? 'value_base64' : 'substring(value_base64, 1, {length_max:UInt32})';
  const named = isOneOf(ids);
  const [rows, redrives] = await Promise.all([
    read<LetterRow>(
      connection,
      `SELECT id, origin, key, headers, stage, reason, message, ${millis('failed_at')},
         ${value} AS base64, length(value_base64) AS base64Length,
         intDiv(base64Length * 3, 4) - countSubstrings(right(value_base64, 2), '=') AS bytes,
         toUnixTimestamp64Milli(min(failed_at) OVER (PARTITION BY id)) AS firstFailedAt
       FROM dead_letters WHERE ${named} ORDER BY failed_at DESC LIMIT 1 BY id, stage`,
      { length_max: base64LengthMax ?? 0 },
    ),
    read<LetterRedrive & { id: string }>(
      connection,
      `SELECT id, stages, topic, event_ids, ${millis('redriven_at')} FROM redrives WHERE ${named} ORDER BY redriven_at, _offset`,
    ),
  ]);
  const rowsById = Map.groupBy(rows, ({ id }) => id);
  const redrivesById = Map.groupBy(redrives, ({ id }) => id);
  return ids.flatMap((id) => {
    const failures = rowsById.get(id);
    return failures === undefined ? [] : [toLetter(id, failures, redrivesById.get(id) ?? [])];
  });
}

/** Letters with the time of their first failure and their size; those after a position. */
function lettersOf(filter: DeadLetterFilter, { order, after }: Pick<LetterPage, 'order' | 'after'>) {
  const conditions = failuresOf(filter);
  let having = '';
  if (after !== undefined) {
    const time = `fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC')`;
    const is = order === 'newest-first' ? '<' : '>';
    // Of a letter that begins before `time` the first failure is not after it, so the others need not be read.
    if (order === 'newest-first') conditions.sql.push(`failed_at <= ${time}`);
    having = `HAVING first ${is} ${time} OR (first = ${time} AND letter ${is} {after_id:String})`;
    Object.assign(conditions.params, { after_ms: after.timeMs, after_id: after.id });
  }
  const sql = `SELECT id AS letter, min(failed_at) AS first, max(length(value_base64)) AS base64Length
    FROM dead_letters ${where(conditions)} GROUP BY id ${having}`;
  return { sql, params: conditions.params };
}

function failuresOf({ fromMs, untilMs, origin, topic, device_id, redriven, ...named }: DeadLetterFilter): Conditions {
  const conditions = equals(named);
  const { sql, params } = conditions;
  const add = (condition: string, name: string, value: string | undefined) => {
    if (value === undefined) return;
    sql.push(condition);
    params[name] = value;
  };
  within(conditions, 'failed_at', { fromMs, untilMs });
  add('origin.kind = {origin:String}', 'origin', origin);
  add('origin.topic = {topic:String}', 'topic', topic);
  const ofDevice = `(origin.device_id = {device_id:String} OR (origin.kind = 'kafka' AND key = {device_id:String}))`;
  add(ofDevice, 'device_id', device_id);
  if (redriven !== undefined) {
    sql.push(`(id, stage) ${redriven ? 'IN' : 'NOT IN'} (SELECT id, arrayJoin(stages) FROM redrives)`);
  }
  return conditions;
}

/** Ids may hold anything, and as parameters they would be part of a URL, which has its limit. */
function isOneOf(ids: readonly string[]): string {
  return `id IN (${ids.map((id) => `unhex('${Buffer.from(id).toString('hex')}')`).join(', ')})`;
}

interface LetterRow {
  readonly id: string;
  readonly origin: Record<string, unknown>;
  readonly key: string;
  readonly headers: Record<string, string>;
  readonly stage: string;
  readonly reason: string;
  readonly message: string;
  readonly failed_at: number;
  readonly base64: string;
  readonly base64Length: number;
  readonly bytes: number;
  readonly firstFailedAt: number;
}

function toLetter(id: string, rows: readonly LetterRow[], redrives: readonly (LetterRedrive & { id: string })[]) {
  const failures = rows
    .map(({ stage, reason, message, failed_at }): LetterFailure => {
      const redrive = redrives.find(({ stages }) => stages.includes(stage));
      return { stage, reason, message, failed_at, ...(redrive && { redriven_at: redrive.redriven_at }) };
    })
    .sort((one, other) => one.failed_at - other.failed_at || (one.stage < other.stage ? -1 : 1));
  // A stage may have had no room for the bytes, or the headers, where another had.
  const fullest = rows.reduce((best, row) => (row.base64Length > best.base64Length ? row : best));
  const letter = {
    id,
    origin: present(fullest.origin) as StoredLetter['origin'],
    ...(fullest.key !== '' && { key: fullest.key }),
    headers: fullest.headers,
    value_base64: fullest.base64,
    value_bytes: fullest.bytes,
    is_cut: fullest.base64.length < fullest.base64Length,
    first_failed_at: fullest.firstFailedAt,
    failures,
    redrives: redrives.map(({ id: _, ...redrive }) => redrive),
  };
  return letter satisfies StoredLetter;
}
