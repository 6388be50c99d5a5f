export type KafkaErrorCode =
  | 'fenced' // another producer or member with the same identity has taken over
  | 'unavailable' // no broker answered, or not in time
  | 'too-large' // a record or batch is over the broker's limit
  | 'unknown-topic'
  | 'offset-out-of-range'
  | 'partition-mismatch'
  | 'not-authorized'
  | 'corrupt' // bytes that are not a record batch
  | 'closed'
  | 'protocol'; // any other answer of the broker

/** The one error of this package; code switches on `code`, and retries when `retriable`. */
export class KafkaError extends Error {
  readonly code: KafkaErrorCode;
  readonly retriable: boolean;

  constructor(code: KafkaErrorCode, message: string, options: { retriable?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'KafkaError';
    this.code = code;
    this.retriable = options.retriable ?? false;
  }
}

const FENCED = new Set([
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'FENCED_INSTANCE_ID',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'REBALANCE_IN_PROGRESS',
  'INVALID_PRODUCER_ID_MAPPING',
]);
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'RECORD_BATCH_TOO_LARGE']);
const UNAVAILABLE_NAMES = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSNumberOfRetriesExceeded',
  'KafkaJSLockTimeout',
  'KafkaJSMetadataNotLoaded',
  'KafkaJSTopicMetadataNotLoaded',
  'KafkaJSGroupCoordinatorNotFound',
]);

/** Translates what kafkajs throws, so that nobody else has to know its error classes. */
export function toKafkaError(error: unknown, doing: string): KafkaError {
  if (error instanceof KafkaError) return error;
  const { name, type, message, retriable } = describe(error);
  const text = `${doing}: ${message}`;
  if (type !== undefined) {
    if (FENCED.has(type)) return new KafkaError('fenced', text, { cause: error });
    if (TOO_LARGE.has(type))
      return new KafkaError('too-large', `${text}; the topic's max.message.bytes is below it`, { cause: error });
    if (type === 'UNKNOWN_TOPIC_OR_PARTITION')
      return new KafkaError('unknown-topic', text, { retriable: true, cause: error });
    if (type === 'OFFSET_OUT_OF_RANGE') return new KafkaError('offset-out-of-range', text, { cause: error });
    if (type.endsWith('AUTHORIZATION_FAILED')) return new KafkaError('not-authorized', text, { cause: error });
    return new KafkaError('protocol', text, { retriable, cause: error });
  }
  if (UNAVAILABLE_NAMES.has(name)) return new KafkaError('unavailable', text, { retriable: true, cause: error });
  return new KafkaError('protocol', text, { retriable, cause: error });
}

/**
 * kafkajs wraps what happened in `cause` when it gives up retrying, once for every retrier that it has passed: what
 * the broker answered says most, then that none answered, and the outermost only when neither is among them.
 */
function describe(error: unknown): { name: string; type: string | undefined; message: string; retriable: boolean } {
  let current: unknown = error;
  let outermost: { name: string; message: string; retriable: boolean } | undefined;
  let unavailable: { name: string; message: string; retriable: boolean } | undefined;
  while (current instanceof Error) {
    const { name, message, retriable, type } = current as Error & { type?: unknown; retriable?: unknown };
    const found = { name, message, retriable: retriable === true };
    if (typeof type === 'string') return { ...found, type };
    outermost ??= found;
    if (UNAVAILABLE_NAMES.has(name)) unavailable ??= found;
    current = current.cause;
  }
  const nothing = { name: 'unknown', message: String(error), retriable: false };
  return { ...(unavailable ?? outermost ?? nothing), type: undefined };
}
