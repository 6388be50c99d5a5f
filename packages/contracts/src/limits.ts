/**
 * Every limit of an event, by name. A message that refuses an event quotes the limit from here, and the published
 * JSON Schemas are built from the same numbers.
 */

/** `transaction_id` and other ids share this alphabet: safe in a URL path, an MQTT topic, a Kafka key and a log line. */
export const ID_ALPHABET = 'A-Za-z0-9._:-';
export const TRANSACTION_ID_LENGTH_MAX = 64;
/** Longer than a transaction id, so that a token (64 hexadecimal digits and a prefix) or an IBAN with a prefix fits. */
export const ID_LENGTH_MAX = 128;
/** `<device_id>:<event_time>:<sequence>` with the longest parts, and a rule's id behind it for a device's alert. */
export const ALERT_ID_LENGTH_MAX = 320;
/** Kinds, sources, rule ids, metric names, feature names: short words. */
export const NAME_LENGTH_MAX = 64;
/** One line for a reader: reasons, merchant names, firmware versions. */
export const TEXT_LENGTH_MAX = 256;
/** A paragraph for a reader: summaries of alerts, notes of cases, messages of dead letters. */
export const PARAGRAPH_LENGTH_MAX = 4_096;

export const ATTRIBUTES_MAX = 32;
/** UTF-8 bytes of the attributes written as JSON. */
export const ATTRIBUTES_BYTES_MAX = 4_096;
export const METRICS_MAX = 64;
/** Fields of one customer source; the bytes are bounded like attributes, times four. */
export const SOURCE_FIELDS_MAX = 64;
export const SOURCE_FIELDS_BYTES_MAX = 16_384;
export const PROFILE_FIELDS_MAX = 256;
export const FEATURES_MAX = 256;
export const RULES_FIRED_MAX = 256;
export const SCORE_MAX = 1_000;

/** The largest array of `POST /v1/payments`. */
export const PAYMENT_BATCH_MAX = 1_000;
/** The largest array of readings in one MQTT message or `POST /v1/telemetry`. */
export const TELEMETRY_BATCH_MAX = 500;

/** Senders' clocks differ; more than this ahead of ours is a fault, because it would push stream time forward. */
export const FUTURE_MAX_MS = 5 * 60_000;
/** Older events would be late for every window; they come through the batch route, where `maxAgeMs` is Infinity. */
export const AGE_MAX_MS = 30 * 86_400_000;
/** 2000-01-01T00:00:00Z. A smaller number is epoch seconds by mistake: seconds reach it in the year 31969 only. */
export const EVENT_TIME_MIN_MS = 946_684_800_000;
/** 9999-12-31T23:59:59.999Z, the last moment that RFC 3339 can write. */
export const EVENT_TIME_MAX_MS = 253_402_300_799_999;

/** 2^53 - 1: the largest integer that JSON and a JavaScript number carry exactly. */
export const AMOUNT_MINOR_MAX = Number.MAX_SAFE_INTEGER;
/** A JSON number has passed through a double on its way here; up to 15 significant digits survive that unchanged. */
export const AMOUNT_NUMBER_DIGITS_MAX = 15;
/** Unsigned, per device. */
export const SEQUENCE_MAX = Number.MAX_SAFE_INTEGER;
/** Values longer than this are never repeated in an error message. */
export const ECHO_LENGTH_MAX = 64;
/** Problems that the progress of a batch keeps, so that one that is resumed still knows its first ones. */
export const BATCH_PROBLEMS_MAX = 20;
export const PROBLEM_FIELD_LENGTH_MAX = 256;
export const PROBLEM_MESSAGE_LENGTH_MAX = 1_024;
/** Stages that may have refused one and the same record. */
export const REDRIVE_STAGES_MAX = 16;
/** Events that one dead letter may become: an MQTT message is an array of up to so many. */
export const REDRIVE_EVENTS_MAX = TELEMETRY_BATCH_MAX;
/** Base64 of the 1 MiB that Kafka takes as a record by default, rounded up. */
export const DEAD_LETTER_BASE64_LENGTH_MAX = 1_500_000;
