export type WarehouseErrorCode =
  | 'unavailable' // nothing answered, or not in time
  | 'overloaded' // it answered that it cannot now: too many parts or queries, memory or disk used up
  | 'bad-data' // the rows do not fit the table: repeating the insert cannot help
  | 'missing' // no such database, table or column: migrations have not run
  | 'not-authorized'
  | 'aborted' // by the caller's signal
  | 'migration' // the applied migrations are not the ones of this version
  | 'query'; // any other answer of ClickHouse: a mistake in the statement

/** The one error of this package; code switches on `code`, and retries when `retriable`. */
export class WarehouseError extends Error {
  readonly code: WarehouseErrorCode;
  readonly retriable: boolean;
  /** ClickHouse's own number, where it answered. */
  readonly clickhouseCode: number | undefined;

  constructor(
    code: WarehouseErrorCode,
    message: string,
    options: { clickhouseCode?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'WarehouseError';
    this.code = code;
    this.retriable = code === 'unavailable' || code === 'overloaded';
    this.clickhouseCode = options.clickhouseCode;
  }
}

/** Translates what the client throws. `doing` says what was tried, for the message. */
export function toWarehouseError(error: unknown, doing: string): WarehouseError {
  if (error instanceof WarehouseError) return error;
  const message = `${doing}: ${error instanceof Error ? error.message.slice(0, MESSAGE_CHARACTERS_MAX) : String(error)}`;
  const clickhouseCode = codeOf(error);
  if (clickhouseCode !== undefined) {
    return new WarehouseError(CODES.get(clickhouseCode) ?? 'query', message, { clickhouseCode, cause: error });
  }
  // What carries no number of ClickHouse's never reached it, or its answer never reached us.
  const aborted = error instanceof Error && /abort/i.test(error.message);
  return new WarehouseError(aborted ? 'aborted' : 'unavailable', message, { cause: error });
}

/** An error text quotes the data: enough to see what it was, not a whole block. */
const MESSAGE_CHARACTERS_MAX = 1_000;

/** Numbers from ClickHouse's `src/Common/ErrorCodes.cpp`. */
const CODES: ReadonlyMap<number, WarehouseErrorCode> = new Map([
  ...numbers('bad-data', [
    6, // CANNOT_PARSE_TEXT
    25, // CANNOT_PARSE_ESCAPE_SEQUENCE
    26, // CANNOT_PARSE_QUOTED_STRING
    27, // CANNOT_PARSE_INPUT_ASSERTION_FAILED
    33, // CANNOT_READ_ALL_DATA
    38, // CANNOT_PARSE_DATE
    41, // CANNOT_PARSE_DATETIME
    53, // TYPE_MISMATCH
    69, // ARGUMENT_OUT_OF_BOUND
    70, // CANNOT_CONVERT_TYPE
    72, // CANNOT_PARSE_NUMBER
    117, // INCORRECT_DATA
    130, // CANNOT_READ_ARRAY_FROM_TEXT
    131, // TOO_LARGE_STRING_SIZE
    321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
    349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
    467, // CANNOT_PARSE_BOOL
    469, // VIOLATED_CONSTRAINT
  ]),
  ...numbers('overloaded', [
    159, // TIMEOUT_EXCEEDED
    202, // TOO_MANY_SIMULTANEOUS_QUERIES
    209, // SOCKET_TIMEOUT
    210, // NETWORK_ERROR
    236, // ABORTED: the server is shutting down
    241, // MEMORY_LIMIT_EXCEEDED
    242, // TABLE_IS_READ_ONLY: a replica without its Keeper
    243, // NOT_ENOUGH_SPACE
    252, // TOO_MANY_PARTS
    285, // TOO_FEW_LIVE_REPLICAS
    286, // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
    319, // UNKNOWN_STATUS_OF_INSERT: its token makes the repeat harmless
    394, // QUERY_WAS_CANCELLED
    999, // KEEPER_EXCEPTION
  ]),
  ...numbers('missing', [
    16, // NO_SUCH_COLUMN_IN_TABLE
    47, // UNKNOWN_IDENTIFIER
    60, // UNKNOWN_TABLE
    81, // UNKNOWN_DATABASE
  ]),
  ...numbers('not-authorized', [
    164, // READONLY
    192, // UNKNOWN_USER
    193, // WRONG_PASSWORD
    497, // ACCESS_DENIED
    516, // AUTHENTICATION_FAILED
  ]),
]);

function numbers(code: WarehouseErrorCode, list: readonly number[]): [number, WarehouseErrorCode][] {
  return list.map((number) => [number, code]);
}

/** `@clickhouse/client` puts ClickHouse's number into `code` as text; network errors have names there (`ECONNRESET`). */
function codeOf(error: unknown): number | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^\d+$/.test(code) ? Number(code) : undefined;
}
