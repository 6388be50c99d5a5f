import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { resolveLibchdb } from 'chdb/libchdb';
import { ClickHouseException, parseException } from '../exception.ts';

/** The engine's own connection: it has its settings, parameters, database and temporary tables to itself. */
export type NativeConnection = object;
export type NativeStream = object;

/**
 * The native part of the `chdb` package (its version is pinned), as far as it is used here. The package's `Session`
 * lacks three things that a server needs: bytes as the data of an INSERT of any format, the number of rows written, and
 * the engine's own judgement of a statement.
 *
 * All `Async` calls run on libuv's thread pool. A connection takes one call at a time, and must not be closed before it
 * has ended: that aborts the engine. `StreamQuery` is synchronous and analyses the query, scalar subqueries included.
 */
export interface Addon {
  CreateConnection(dataDir: string, args: readonly string[]): NativeConnection;
  CloseConnection(connection: NativeConnection): void;
  QueryAsyncConnection(connection: NativeConnection, sql: string, format: string): Promise<NativeResult>;
  /** Runs `sql`, a newline and `data` as one text. */
  InsertRawAsyncConnection(
    connection: NativeConnection,
    sql: string,
    data: Buffer,
    countLines: boolean,
  ): Promise<NativeWritten>;
  StreamQuery(connection: NativeConnection, sql: string, format: string): NativeStream;
  StreamFetch(stream: NativeStream): Promise<{ bytes: Buffer; numRows: number; done: boolean }>;
  StreamCancel(stream: NativeStream): void;
  DurableClassifyAsync(connection: NativeConnection, sql: string, database: string): Promise<StatementClass>;
}

/** `elapsed` in seconds; `rowsRead` counts the rows of the result. */
export interface NativeResult {
  readonly bytes: Buffer;
  readonly elapsed: number;
  readonly rowsRead: number;
  readonly bytesRead: number;
}

/** `elapsed` in seconds; rows written by materialised views are included, as in ClickHouse. */
export interface NativeWritten {
  readonly elapsed: number;
  readonly rowsWritten: number;
  readonly bytesWritten: number;
}

/** `queryClass`: 0 reads, 1 and 2 write, 3 controls (SET, USE, SYSTEM, KILL), 4 does not parse. */
export interface StatementClass {
  readonly statementCount: number;
  readonly queryClass: number;
}

export const READS = 0;

export function loadAddon(): Addon {
  return createRequire(import.meta.url)(dirname(resolveLibchdb().path)) as Addon;
}

/**
 * Arguments of every connection.
 * - An insert is one part of its table, written when it is acknowledged: no batching by time.
 * - The limit of a query's text counts the parameters too here, which are set by a statement before it; 256 KiB, the
 *   default, is little for a list of ids.
 */
export const CONNECTION_ARGS: readonly string[] = ['--async_insert=0', `--max_query_size=${16 * 1024 * 1024}`];

/** The error of a native call in ClickHouse's terms. */
export function engineException(error: unknown): ClickHouseException {
  if (error instanceof ClickHouseException) return error;
  return parseException(error instanceof Error ? error.message : String(error), error);
}
