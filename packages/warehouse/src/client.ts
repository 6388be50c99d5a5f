import { Readable } from 'node:stream';
import { type ClickHouseClient, ClickHouseLogLevel, type ClickHouseSettings, createClient } from '@clickhouse/client';
import { toWarehouseError, WarehouseError } from './errors.ts';
import { type AppliedMigration, migrate } from './migrations.ts';
import { INSERT_COLUMNS, type TableName } from './tables.ts';

/** Longer than any answer that a caller should wait for; a block of 20,000 rows is inserted in well under a second. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Requests at once; more wait in line in this process. The sink has at most one insert per topic under way. */
const CONNECTIONS_MAX = 16;
/** Below the time after which servers close an idle connection (ClickHouse: 3 s before 23.11, Node: 5 s). */
const IDLE_SOCKET_MS = 2_500;
const DATABASE_PATTERN = /^[A-Za-z_][A-Za-z0-9_]*$/;

export interface WarehouseOptions {
  /** HTTP interface of ClickHouse; user and password may be in it. */
  readonly url: string;
  readonly database: string;
  readonly logger: WarehouseLogger;
  readonly requestTimeoutMs?: number;
  readonly connectionsMax?: number;
  /** gzip both ways: worth its CPU time over a slow network only. Default: false. */
  readonly compress?: boolean;
}

/** The subset of pino that the adapter writes to. */
export interface WarehouseLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface InsertOptions {
  /** A block with the token of a remembered one (the last 10,000 of the table) is dropped: repeating is harmless. */
  readonly deduplicationToken?: string;
  readonly queryId?: string;
  readonly settings?: ClickHouseSettings;
  readonly signal?: AbortSignal;
}

export interface QueryOptions {
  /** Values for `{name:Type}` in the statement. */
  readonly params?: Readonly<Record<string, unknown>>;
  readonly queryId?: string;
  readonly settings?: ClickHouseSettings;
  readonly signal?: AbortSignal;
}

export interface Warehouse {
  readonly database: string;
  /** Resolves when ClickHouse answers; rejects with `unavailable` when it does not. */
  ping(): Promise<void>;
  /** Brings the database up to this version's tables. Any number of processes may call it at once. */
  migrate(): Promise<readonly AppliedMigration[]>;
  /**
   * Inserts one block: `rows` is JSONEachRow (UTF-8, one object per line), all of it becomes visible at once or nothing
   * does. Unknown fields are skipped; an object for a text column is kept as its JSON; epoch milliseconds are times.
   * At most `INSERT_ROWS_MAX` rows, beyond which ClickHouse would cut it in two. Throws `WarehouseError`, `bad-data`
   * when a row does not fit (nothing is stored then).
   */
  insertRows(table: TableName, rows: Uint8Array | readonly Uint8Array[], options?: InsertOptions): Promise<void>;
  /**
   * Runs a SELECT (without FORMAT) in the warehouse's database and returns its rows. 64-bit integers come as numbers:
   * offsets and amounts fit, a hash does not (use toString). Times come as text; ask for
   * `toUnixTimestamp64Milli(t)` to get epoch milliseconds.
   */
  query<Row>(sql: string, options?: QueryOptions): Promise<Row[]>;
  close(): Promise<void>;
}

/** A block of this size stays one part; see `INSERT_SETTINGS`. */
export const INSERT_ROWS_MAX = 1_000_000;

/** What makes an insert one atomic, deduplicated block, whatever the server's profile says. */
const INSERT_SETTINGS: ClickHouseSettings = {
  async_insert: 0, // the answer must mean that the rows are in the table
  wait_end_of_query: 1, // so that an error comes as a status, not in the middle of a 200
  insert_deduplicate: 1,
  max_insert_threads: '1', // one stream into the table, so one block
  max_insert_block_size: String(INSERT_ROWS_MAX),
  min_insert_block_size_rows: String(INSERT_ROWS_MAX),
  min_insert_block_size_bytes: '0', // 0: bytes do not cut a block
  input_format_parallel_parsing: 0, // parsing in parallel cuts the body into blocks of its own
  input_format_skip_unknown_fields: 1,
  input_format_json_read_objects_as_strings: 1,
  input_format_null_as_default: 1,
};

const QUERY_SETTINGS: ClickHouseSettings = {
  output_format_json_quote_64bit_integers: 0,
  output_format_json_quote_decimals: 0,
  wait_end_of_query: 1,
};

/** The one way to ClickHouse. Nothing is sent before the first call. */
export function createWarehouse(options: WarehouseOptions): Warehouse {
  const { database, logger } = options;
  if (!DATABASE_PATTERN.test(database)) {
    throw new TypeError(`"${database}" cannot be the name of a database: letters, digits and _ only.`);
  }
  const client = connect(options, database);

  return {
    database,
    ping: async () => {
      const answer = await client.ping();
      if (!answer.success) throw toWarehouseError(answer.error, 'ping');
    },
    migrate: async () => {
      // Not through the client above: ClickHouse refuses every request that names a database which is not there yet.
      const outside = connect(options, undefined);
      try {
        return await migrate(
          {
            run: async (sql, settings) => {
              await outside.command({ query: sql, clickhouse_settings: { wait_end_of_query: 1, ...settings } });
            },
            read: async (sql) => {
              const answer = await outside.query({
                query: sql,
                format: 'JSONEachRow',
                clickhouse_settings: QUERY_SETTINGS,
              });
              return await answer.json();
            },
          },
          { database, logger },
        );
      } catch (error) {
        throw toWarehouseError(error, 'migrate');
      } finally {
        await outside.close();
      }
    },
    insertRows: async (table, rows, { deduplicationToken, queryId, settings, signal } = {}) => {
      const columns = INSERT_COLUMNS[table];
      try {
        // Not the client's insert(): that parses objects, and here the bytes are JSON already.
        const { stream } = await client.exec({
          query: `INSERT INTO ${table} ${columns === undefined ? '' : `(${columns.join(', ')}) `}FORMAT JSONEachRow`,
          values: Readable.from(rows instanceof Uint8Array ? [rows] : rows, { objectMode: false }),
          ...(queryId !== undefined && { query_id: queryId }),
          ...(signal && { abort_signal: signal }),
          clickhouse_settings: {
            ...INSERT_SETTINGS,
            ...(deduplicationToken !== undefined && { insert_deduplication_token: deduplicationToken }),
            ...settings,
          },
        });
        // An INSERT answers nothing, but only a read body gives the socket back.
        for await (const _ of stream);
      } catch (error) {
        throw signal?.aborted ? aborted(table, error) : toWarehouseError(error, `insert into ${table}`);
      }
    },
    query: async <Row>(sql: string, { params, queryId, settings, signal }: QueryOptions = {}) => {
      try {
        const answer = await client.query({
          query: sql,
          format: 'JSONEachRow',
          ...(params && { query_params: { ...params } }),
          ...(queryId !== undefined && { query_id: queryId }),
          ...(signal && { abort_signal: signal }),
          clickhouse_settings: { ...QUERY_SETTINGS, ...settings },
        });
        return await answer.json<Row>();
      } catch (error) {
        throw signal?.aborted ? aborted('query', error) : toWarehouseError(error, 'query');
      }
    },
    close: () => client.close(),
  };
}

function connect(options: WarehouseOptions, database: string | undefined): ClickHouseClient {
  const { url, logger } = options;
  return createClient({
    url,
    ...(database !== undefined && { database }),
    application: 'millrace',
    request_timeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
    max_open_connections: options.connectionsMax ?? CONNECTIONS_MAX,
    compression: { request: options.compress ?? false, response: options.compress ?? false },
    keep_alive: { enabled: true, idle_socket_ttl: IDLE_SOCKET_MS },
    log: { level: ClickHouseLogLevel.WARN, LoggerClass: loggerClass(logger) },
  });
}

/** The client wants a class. What it logs as an error it throws as well, so here that is for debugging only. */
function loggerClass(logger: WarehouseLogger) {
  const debug = ({ message, args }: { message: string; args?: Record<string, unknown> }) =>
    logger.debug(args ?? {}, message);
  return class {
    trace = debug;
    debug = debug;
    info = debug;
    warn = ({ message, args, err }: { message: string; args?: Record<string, unknown>; err?: Error }) =>
      logger.warn({ ...args, err }, message);
    error = debug;
  };
}

function aborted(doing: string, cause: unknown): WarehouseError {
  return new WarehouseError('aborted', `${doing}: given up by the caller`, { cause });
}
