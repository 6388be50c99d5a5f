import type { InRecord } from '@millrace/kafka';

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

const MESSAGE_LENGTH_MAX = 500;
const KEY_LENGTH_MAX = 1_024;
const HEADERS_MAX = 32;
const HEADER_LENGTH_MAX = 500;
const HEADER_NAME = /^(?!constructor$|prototype$)[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/**
 * The id names where the record lies, so that a record that fails again after a rebuild is the same letter.
 * The bytes are kept whole; message, key and headers, which are for a reader, are cut to size.
 */
export function deadLetterOf(
  record: InRecord,
  stage: string,
  reason: string,
  message: string,
  failedAtMs: number,
): DeadLetterValue {
  const { topic, partition, offset, key, value } = record;
  const headers = Object.entries(record.headers)
    .filter(([name]) => HEADER_NAME.test(name))
    .slice(0, HEADERS_MAX)
    .map(([name, bytes]) => [name, cut(bytes?.toString('utf8') ?? '', HEADER_LENGTH_MAX)]);
  return {
    id: `${topic}:${partition}:${offset}`,
    origin: { kind: 'kafka', topic, partition, offset },
    stage,
    reason,
    message: cut(message, MESSAGE_LENGTH_MAX),
    value_base64: value?.toString('base64') ?? '',
    ...(key === null ? {} : { key: cut(key.toString('utf8'), KEY_LENGTH_MAX) }),
    headers: Object.fromEntries(headers),
    failed_at: failedAtMs,
  };
}

/** A cut may fall between the halves of a surrogate pair; what is left must still be Unicode. */
const cut = (text: string, lengthMax: number): string => text.slice(0, lengthMax).toWellFormed();
