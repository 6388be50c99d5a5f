import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Addon,
  CONNECTION_ARGS,
  engineException,
  loadAddon,
  type NativeConnection,
  type NativeResult,
  type NativeWritten,
  type StatementClass,
} from './addon.ts';
import { serverConfigXml } from './server-config.ts';
import { StreamPool, type StreamRequest } from './stream-pool.ts';

/** One connection to the engine. It takes one statement at a time. */
export interface EngineConnection {
  query(sql: string, format: string): Promise<NativeResult>;
  /** Runs an INSERT; `data` is what follows the statement: rows in its format. */
  insert(sql: string, data: Buffer): Promise<NativeWritten>;
  close(): void;
}

/** How many streams are analysed at once without waiting for each other: a scalar subquery is run in the analysis. */
const STREAM_WORKERS = 2;

/**
 * The ClickHouse engine in this process, with one data folder. The engine allows one folder per process, and any number
 * of connections to it; a connection costs 0.4 ms, so each request gets a fresh one.
 */
export class Engine {
  readonly #addon: Addon;
  readonly #dataDir: string;
  readonly #args: readonly string[];
  /** For what is the server's own. Kept open: the engine shuts down with its last connection. */
  readonly #control: NativeConnection;
  readonly #streams: StreamPool;
  #controlTail: Promise<unknown> = Promise.resolve();
  version = '';
  timezone = '';

  /** @param onFatal a stream worker has died: the process cannot go on */
  static async open(options: { dataDir: string; onFatal: (error: Error) => void }): Promise<Engine> {
    const engine = new Engine(options.dataDir, options.onFatal);
    const sql = 'SELECT version(), timezone()';
    const { bytes } = await engine.#onControl((control) =>
      engine.#addon.QueryAsyncConnection(control, sql, 'TabSeparated'),
    );
    [engine.version = '', engine.timezone = ''] = bytes.toString().trim().split('\t');
    return engine;
  }

  private constructor(dataDir: string, onFatal: (error: Error) => void) {
    mkdirSync(dataDir, { recursive: true });
    const configFile = join(dataDir, 'server-config.xml');
    writeFileSync(configFile, serverConfigXml());
    this.#addon = loadAddon();
    this.#dataDir = dataDir;
    this.#args = CONNECTION_ARGS;
    this.#control = this.#addon.CreateConnection(dataDir, [`--config-file=${configFile}`, ...CONNECTION_ARGS]);
    this.#streams = new StreamPool({ dataDir, workers: STREAM_WORKERS, onFatal });
  }

  connect(): EngineConnection {
    const addon = this.#addon;
    const native = addon.CreateConnection(this.#dataDir, this.#args);
    return {
      query: (sql, format) => addon.QueryAsyncConnection(native, sql, format).catch(rethrow),
      insert: (sql, data) => addon.InsertRawAsyncConnection(native, sql, data, false).catch(rethrow),
      close: () => addon.CloseConnection(native),
    };
  }

  /** Streams the result of one SELECT; see `StreamPool.open`. */
  stream(request: StreamRequest): AsyncGenerator<Buffer, void, undefined> {
    return this.#streams.open(request);
  }

  /** What kind of statement it is and how many, judged by the engine's parser. Costs 0.04 ms. */
  classify(sql: string): Promise<StatementClass> {
    return this.#onControl((control) => this.#addon.DurableClassifyAsync(control, sql, 'default'));
  }

  /** Ends the running query of a request. That it has ended already is no error. */
  async kill(queryId: string): Promise<void> {
    const id = queryId.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
    const sql = `KILL QUERY WHERE Settings['log_comment'] = '${id}' ASYNC`;
    await this.#onControl((control) => this.#addon.QueryAsyncConnection(control, sql, 'Null'));
  }

  /** The connections of `connect` must be closed and the streams ended. */
  async close(): Promise<void> {
    await this.#streams.close();
    await this.#controlTail;
    this.#addon.CloseConnection(this.#control);
  }

  /** One call at a time, in order. */
  #onControl<T>(call: (control: NativeConnection) => Promise<T>): Promise<T> {
    const result = this.#controlTail.then(() => call(this.#control));
    // The next one waits for this one, whether or not it fails; the failure is the caller's.
    this.#controlTail = result.catch(() => undefined);
    return result.catch(rethrow);
  }
}

function rethrow(error: unknown): never {
  throw engineException(error);
}
