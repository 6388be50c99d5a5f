import { ContractError, HEADER_EVENT_ID, HEADER_INGESTED_AT, type TopicContract } from '@millrace/contracts';
import { headerOf, type InRecord } from '@millrace/kafka';

/**
 * What a record becomes: lines of JSONEachRow (each ends with a newline; none for a record that is not for us), or the
 * reason why it cannot be stored.
 */
export type Rows = { readonly lines: readonly (Buffer | string)[]; readonly count: number } | Refusal;

export interface Refusal {
  /** A code, and a sentence that names the field. */
  readonly reason: string;
  readonly message: string;
}

/**
 * Makes rows of a record. `careful` decodes and encodes by the contract, so that only what the contract allows is in
 * the row; without it, bytes that look like one JSON object are taken as they are, and ClickHouse parses them.
 */
export type RowMaker = (record: InRecord, careful: boolean) => Rows;

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const NEWLINE = 0x0a;
const INGESTED_AT_FIELD = Buffer.from(`"${HEADER_INGESTED_AT}":`);
const END_OF_LINE = '\n';

/**
 * One row per record: the record's own JSON with its origin put in front. Nothing is parsed here, which is what makes
 * 5,000 records a second cheap. A value that holds a newline or is not in braces is looked at carefully, because it
 * could be read as more or less than one row. `ingestedAt: 'value'` is for events that tell it themselves, as decisions
 * do: ClickHouse refuses a field that is there twice.
 */
export function splicedRow<T>(contract: TopicContract<T>, ingestedAt: 'header' | 'value' = 'header'): RowMaker {
  return (record, careful) => {
    let value = record.value;
    if (careful || value === null || !looksLikeOneObject(value)) {
      const decoded = decode(contract, record);
      if ('reason' in decoded) return decoded;
      value = Buffer.from(contract.encode(decoded.value));
    }
    const told = ingestedAt === 'value' && value.includes(INGESTED_AT_FIELD);
    const head = told ? `{${origin(record)},` : `{${origin(record)},"ingested_at":${ingestedAtMs(record)},`;
    return { lines: [head, value.subarray(1), END_OF_LINE], count: 1 };
  };
}

/** A compacted topic's row: as `splicedRow`, and a tombstone is a row that says so. */
export function versionRow<T>(contract: TopicContract<T>, keyColumn: string): RowMaker {
  const spliced = splicedRow(contract);
  return (record, careful) => {
    if (record.value !== null) return spliced(record, careful);
    if (record.key === null) return { reason: 'empty', message: 'a record with neither key nor value' };
    const key = JSON.stringify(record.key.toString());
    const line = `{${origin(record)},"ingested_at":${ingestedAtMs(record)},"${keyColumn}":${key},"deleted":true}\n`;
    return { lines: [line], count: 1 };
  };
}

/** One row per metric of a reading, true and false as 1 and 0. */
export function metricRows(
  contract: TopicContract<{ readonly metrics: Readonly<Record<string, number | boolean>> }>,
): RowMaker {
  return (record) => {
    const decoded = decode(contract, record);
    if ('reason' in decoded) return decoded;
    const { metrics, ...reading } = decoded.value;
    const fields = JSON.stringify(reading).slice(1, -1);
    const head = `{${origin(record)},"ingested_at":${ingestedAtMs(record)},${fields},"metric":`;
    const lines = Object.entries(metrics).map(
      ([name, value]) => `${head}${JSON.stringify(name)},"value":${Number(value)}}\n`,
    );
    return { lines, count: lines.length };
  };
}

/** Only the record's id, which its header tells without a look at the value. */
export function idRow<T>(contract: TopicContract<T>, column: string): RowMaker {
  return (record) => {
    let id = headerOf(record, HEADER_EVENT_ID)?.toString();
    if (id === undefined || id === '') {
      const decoded = decode(contract, record);
      if ('reason' in decoded) return decoded;
      id = contract.eventId(decoded.value);
    }
    const line = `{${origin(record)},"ingested_at":${ingestedAtMs(record)},"${column}":${JSON.stringify(id)}}\n`;
    return { lines: [line], count: 1 };
  };
}

/** When ingest accepted the event, in epoch ms; the record's own timestamp where somebody else wrote it. */
export function ingestedAtMs(record: InRecord): number {
  const text = headerOf(record, HEADER_INGESTED_AT)?.toString('latin1');
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : record.timestampMs;
}

function origin({ topic, partition, offset }: InRecord): string {
  // A topic's name needs no escaping: Kafka allows letters, digits, '.', '_' and '-'.
  return `"_topic":"${topic}","_partition":${partition},"_offset":${offset}`;
}

function looksLikeOneObject(value: Buffer): boolean {
  return value[0] === OPEN_BRACE && value[value.length - 1] === CLOSE_BRACE && !value.includes(NEWLINE);
}

function decode<T>(contract: TopicContract<T>, record: InRecord): { readonly value: T } | Refusal {
  if (record.value === null) return { reason: 'empty', message: `a ${contract.schema} without a value` };
  try {
    return { value: contract.decode(record.value) };
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    return { reason: error.code, message: error.message };
  }
}
