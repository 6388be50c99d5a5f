/**
 * An error as ClickHouse tells it: `Code: 60. DB::Exception: Unknown table ... (UNKNOWN_TABLE)`. Raised by the engine, or
 * by this server in the same words, because clients switch on `code` and `type`.
 */
export class ClickHouseException extends Error {
  readonly code: number;
  /** The name of the code in capitals, `UNKNOWN_TABLE`. */
  readonly type: string;

  constructor(type: keyof typeof OWN_CODES | EngineType, message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'ClickHouseException';
    this.code = typeof type === 'string' ? OWN_CODES[type] : type.code;
    this.type = typeof type === 'string' ? type : type.type;
  }

  /** True when the same request may succeed later without anybody changing anything. */
  get retriable(): boolean {
    return RETRIABLE.has(this.type);
  }

  /** The body of the answer. */
  toText(version: string): string {
    return `Code: ${this.code}. DB::Exception: ${this.message} (${this.type}) (version ${version})\n`;
  }
}

interface EngineType {
  readonly code: number;
  readonly type: string;
}

/** Codes that this server raises itself, numbered as in ClickHouse's ErrorCodes. */
const OWN_CODES = {
  BAD_ARGUMENTS: 36,
  NOT_IMPLEMENTED: 48,
  SYNTAX_ERROR: 62,
  INCORRECT_DATA: 117,
  READONLY: 164,
  TOO_MANY_SIMULTANEOUS_QUERIES: 202,
  QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING: 216,
  QUERY_IS_TOO_LARGE: 307,
  INTO_OUTFILE_NOT_ALLOWED: 348,
  SESSION_NOT_FOUND: 372,
  SESSION_IS_LOCKED: 373,
  SERVER_SHUTTING_DOWN: 236,
  ACCESS_DENIED: 497,
  AUTHENTICATION_FAILED: 516,
  UNKNOWN_ENGINE_FAILURE: 1002,
} as const;

const RETRIABLE: ReadonlySet<string> = new Set([
  'TOO_MANY_SIMULTANEOUS_QUERIES',
  'SESSION_IS_LOCKED',
  'SERVER_SHUTTING_DOWN',
  'MEMORY_LIMIT_EXCEEDED',
  'TIMEOUT_EXCEEDED',
]);

/** Reads the text of an engine's error; a text without a code becomes `UNKNOWN_ENGINE_FAILURE`. */
export function parseException(text: string, cause?: unknown): ClickHouseException {
  const match = /^Code: (\d+)\. DB::Exception: (?:Code: \d+\. DB::Exception: )?([\s\S]*)$/.exec(text);
  if (match === null) return new ClickHouseException('UNKNOWN_ENGINE_FAILURE', text, { cause });
  const [, code, rest = ''] = match;
  const type = /\(([A-Z][A-Z0-9_]+)\)\s*$/.exec(rest)?.[1] ?? 'UNKNOWN_EXCEPTION';
  const message = rest.replace(/(?:\s*\((?:[A-Z][A-Z0-9_]+|version [^)]*)\))+\s*$/, '');
  return new ClickHouseException({ code: Number(code), type }, message, { cause });
}

/** ClickHouse's own mapping (exceptionCodeToHTTPStatus), by the name of the code. What is not listed is a 500. */
export function httpStatus(type: string): number {
  for (const [status, types] of HTTP_STATUS) if (types.has(type)) return status;
  return type.startsWith('CANNOT_PARSE_') ? 400 : 500;
}

const HTTP_STATUS: readonly (readonly [number, ReadonlySet<string>])[] = [
  [401, new Set(['REQUIRED_PASSWORD'])],
  [403, new Set(['UNKNOWN_USER', 'WRONG_PASSWORD', 'AUTHENTICATION_FAILED', 'SET_NON_GRANTED_ROLE', 'ACCESS_DENIED'])],
  [
    400,
    new Set([
      'BAD_ARGUMENTS',
      'CANNOT_COMPILE_REGEXP',
      'DUPLICATE_COLUMN',
      'ILLEGAL_COLUMN',
      'INCORRECT_DATA',
      'SYNTAX_ERROR',
      'THERE_IS_NO_COLUMN',
      'TOO_BIG_AST',
      'TOO_DEEP_AST',
      'TYPE_MISMATCH',
      'UNEXPECTED_AST_STRUCTURE',
      'UNKNOWN_ELEMENT_IN_AST',
      'UNKNOWN_TYPE_OF_AST_NODE',
      'VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE',
    ]),
  ],
  [
    404,
    new Set([
      'UNKNOWN_AGGREGATE_FUNCTION',
      'UNKNOWN_DATABASE',
      'UNKNOWN_DATABASE_ENGINE',
      'UNKNOWN_DIRECTION_OF_SORTING',
      'UNKNOWN_FORMAT',
      'UNKNOWN_FUNCTION',
      'UNKNOWN_IDENTIFIER',
      'UNKNOWN_ROLE',
      'UNKNOWN_SETTING',
      'UNKNOWN_STORAGE',
      'UNKNOWN_TABLE',
      'UNKNOWN_TYPE',
      'UNKNOWN_TYPE_OF_QUERY',
    ]),
  ],
  [408, new Set(['TIMEOUT_EXCEEDED'])],
  [411, new Set(['HTTP_LENGTH_REQUIRED'])],
  [413, new Set(['QUERY_IS_TOO_LARGE'])],
  [501, new Set(['NOT_IMPLEMENTED'])],
  // A full queue and a shutdown are 500 in ClickHouse; 503 tells a client's retry the same and a proxy more.
  [
    503,
    new Set([
      'CANNOT_OPEN_FILE',
      'CANNOT_SCHEDULE_TASK',
      'SERVER_SHUTTING_DOWN',
      'SOCKET_TIMEOUT',
      'TOO_MANY_SIMULTANEOUS_QUERIES',
    ]),
  ],
];
