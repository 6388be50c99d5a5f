import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';

export type Logger = PinoLogger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  /** The name in every line's `service`. */
  readonly service: string;
  /** Default `info`. */
  readonly level?: LogLevel;
  /** Where lines go; default standard output, written at once so that a crash loses none. */
  readonly destination?: DestinationStream;
}

/**
 * JSON lines with `time` (RFC 3339), `level` (by name), `service` and `msg`. What could identify a card or open a door
 * is replaced by `[redacted]` wherever it stands in the first levels of a logged object.
 */
export function createLogger({ service, level = 'info', destination }: LoggerOptions): Logger {
  const options = {
    level,
    base: { service },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: redactedPaths(), censor: '[redacted]' },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Names that never appear in a log, in any spelling a payment, a request or a client's options use. */
const REDACTED_KEYS = [
  'card_id',
  'cardId',
  'card_number',
  'pan',
  'account_id',
  'password',
  'secret',
  'token',
  'authorization',
  'cookie',
  '["x-api-key"]',
  '["x-clickhouse-key"]',
  'CARD_TOKEN_SECRET',
];

/** Three levels reach `{ payments: [{ card_id }] }`; pino's redaction has no "at any depth". */
const REDACTED_DEPTH_MAX = 3;

function redactedPaths(): string[] {
  return REDACTED_KEYS.flatMap((key) =>
    Array.from({ length: REDACTED_DEPTH_MAX }, (_, depth) => {
      const prefix = Array.from({ length: depth }, () => '*').join('.');
      if (prefix === '') return key;
      return key.startsWith('[') ? `${prefix}${key}` : `${prefix}.${key}`;
    }),
  );
}
