import type { InRecord, OutRecord } from '@millrace/kafka';
import type { Topic } from './topology.ts';

/** Where letters are written; who reads it finds letters of other origins as well. */
export type DeadLetterTopic = Omit<Topic<DeadLetterValue>, 'decode'>;

/** A record that could not be processed, as it is kept: the contracts package's `dead-letter.v1`. */
export interface DeadLetterValue {
  id: string;
  origin: { kind: 'kafka'; topic: string; partition: number; offset: number };
  stage: string;
  reason: string;
  message: string;
  value_base64: string;
  key?: string;
  headers?: Record<string, string>;
  failed_at: number;
}

/** Kafka takes 1 MiB as a record by default. Base64 of what a topic with a higher limit holds might find no place. */
const VALUE_BYTES_MAX = 1024 * 1024 + 64 * 1024;
const MESSAGE_LENGTH_MAX = 500;
const KEY_LENGTH_MAX = 1_024;
const HEADERS_MAX = 32;
const HEADER_LENGTH_MAX = 500;
const HEADER_NAME = /^(?!constructor$|prototype$)[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/**
 * The id names where the record lies, so that a record that fails again after a rebuild is the same letter.
 * The bytes are kept whole, or not at all when they are more than a letter takes; message, key and headers, which are for a reader, are cut to size.
 */
export function deadLetterOf(
  record: InRecord,
  stage: string,
  reason: string,
  message: string,
  failedAtMs: number,
): DeadLetterValue {
  const { topic, partition, offset, key } = record;
  const bytes = record.value?.length ?? 0;
  const whole = bytes <= VALUE_BYTES_MAX;
  const headers = Object.entries(record.headers)
    .filter(([name]) => HEADER_NAME.test(name))
    .slice(0, HEADERS_MAX)
    .map(([name, bytes]) => [name, cut(bytes?.toString('utf8') ?? '', HEADER_LENGTH_MAX)]);
  return {
    id: `${topic}:${partition}:${offset}`,
    origin: { kind: 'kafka', topic, partition, offset },
    stage,
    reason,
    message: cut(message, MESSAGE_LENGTH_MAX) + (whole ? '' : ` (its ${bytes} bytes do not fit into a letter)`),
    value_base64: whole ? (record.value?.toString('base64') ?? '') : '',
    ...(key === null ? {} : { key: cut(key.toString('utf8'), KEY_LENGTH_MAX) }),
    headers: Object.fromEntries(headers),
    failed_at: failedAtMs,
  };
}

/** A letter as a record of its topic. */
export function deadLetterRecord(topic: DeadLetterTopic, letter: DeadLetterValue): OutRecord {
  return {
    key: topic.key(letter),
    value: topic.encode(letter),
    headers: { ...(topic.schema === undefined ? {} : { schema: topic.schema }), event_id: topic.eventId(letter) },
    timestampMs: topic.timestampMs(letter),
  };
}

/** What an error says of itself: contract errors have a code that says what is wrong with a record. */
export function reasonOf(error: unknown, otherwise: string): string {
  const code = error instanceof Error ? (error as Error & { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : otherwise;
}

/** A cut may fall between the halves of a surrogate pair; what is left must still be Unicode. */
const cut = (text: string, lengthMax: number): string => text.slice(0, lengthMax).toWellFormed();
