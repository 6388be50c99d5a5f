import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Duplex, finished } from 'node:stream';
import { LocalStackError } from '../error.ts';
import { engineException } from './engine/addon.ts';
import { Engine } from './engine/engine.ts';
import { ClickHouseException } from './exception.ts';
import { handleQuery } from './handler.ts';
import { createLane } from './lane.ts';
import { sendException } from './response.ts';
import type { QueryContext } from './run.ts';
import { Sessions } from './sessions.ts';
import type { User } from './users.ts';

/** On two cores more at a time only take each other's turn. */
const READS_RUNNING_MAX = 8;
const INSERTS_RUNNING_MAX = 2;
const CHANGES_RUNNING_MAX = 4;
/** Each holds a body of up to 128 MiB. */
const UPLOADS_RUNNING_MAX = 6;
const WAITING_MAX = 512;
/** Calls into the engine that may be on a thread of the pool at the same time, with one for its control connection. */
export const NATIVE_CALLS_MAX = READS_RUNNING_MAX + INSERTS_RUNNING_MAX + CHANGES_RUNNING_MAX + 1;
/** Of the request line and headers together; ClickHouse's `http_max_uri_size`. */
const HEADER_BYTES_MAX = 1024 * 1024;
/** For the whole request, rows included. */
const REQUEST_MS_MAX = 300_000;
/** Longer than any client keeps an idle connection, so that none writes into one that is just being closed. */
const KEEP_ALIVE_MS = 30_000;
/** For running queries to end by themselves, then killed ones to notice; together within the supervisor's patience. */
const DRAIN_MS_MAX = 5_000;
const KILL_MS_MAX = 2_000;

export interface ClickHouseServer {
  readonly port: number;
  /**
   * Takes no more queries, lets the running ones end, kills those that take too long, and closes the engine. It rejects
   * when some cannot be killed: then the process has to be.
   */
  close(): Promise<void>;
}

/**
 * ClickHouse's HTTP interface in front of an engine in this process.
 *
 * @throws LocalStackError `port-taken`
 */
export async function startClickHouseServer(options: {
  host: string;
  port: number;
  dataDir: string;
  users: readonly User[];
  log: (line: string) => void;
  onFatal: (error: Error) => void;
}): Promise<ClickHouseServer> {
  const { host, port, dataDir, users, log, onFatal } = options;
  const http = createServer({
    maxHeaderSize: HEADER_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
  });
  const engine = await Engine.open({ dataDir, onFatal });
  const context: QueryContext = {
    engine,
    users,
    sessions: new Sessions(() => engine.connect()),
    lanes: {
      reads: createLane({ name: 'reading queries', runningMax: READS_RUNNING_MAX, waitingMax: WAITING_MAX }),
      inserts: createLane({ name: 'INSERTs', runningMax: INSERTS_RUNNING_MAX, waitingMax: WAITING_MAX }),
      changes: createLane({ name: 'changing queries', runningMax: CHANGES_RUNNING_MAX, waitingMax: WAITING_MAX }),
      uploads: createLane({ name: 'large bodies', runningMax: UPLOADS_RUNNING_MAX, waitingMax: WAITING_MAX }),
    },
    running: new Set(),
    describeError: (error) => engineException(error).toText(engine.version),
    log,
  };
  let isClosing = false;
  http.on('request', (incoming: IncomingMessage, response: ServerResponse) => {
    route(incoming, response, context, isClosing).catch((error: unknown) => fail(incoming, response, context, error));
  });
  http.on('clientError', refuseBadRequest);
  try {
    await listen(http, host, port);
  } catch (error) {
    await engine.close();
    throw error;
  }
  return {
    port: (http.address() as AddressInfo).port,
    async close() {
      isClosing = true;
      const closed = new Promise((resolve) => http.close(resolve));
      http.closeIdleConnections();
      if (!(await within(DRAIN_MS_MAX, () => context.running.size === 0))) {
        for (const lane of Object.values(context.lanes)) lane.close();
        log(`killing ${context.running.size} queries that are still running`);
        await Promise.all([...context.running].map((queryId) => engine.kill(queryId)));
        const haveEnded = await within(KILL_MS_MAX, () => context.running.size === 0);
        // The engine must not be closed under them.
        if (!haveEnded) throw new Error(`${context.running.size} queries do not end`);
      }
      http.closeAllConnections();
      await closed;
      context.sessions.close();
      await engine.close();
    },
  };
}

const OK_PATHS: ReadonlySet<string> = new Set(['/ping', '/replicas_status']);

async function route(
  incoming: IncomingMessage,
  response: ServerResponse,
  context: QueryContext,
  isClosing: boolean,
): Promise<void> {
  const { method = 'GET', headers } = incoming;
  const url = URL.parse(incoming.url ?? '/', 'http://clickhouse');
  if (url === null) return plain(response, 400, 'The path of the URL is not valid\n');
  if (OK_PATHS.has(url.pathname)) return ok(response);
  if (url.pathname !== '/') return plain(response, 404, `There is no handle ${url.pathname}. Queries go to /\n`);
  const isGet = method === 'GET' || method === 'HEAD';
  if (!isGet && method !== 'POST') return plain(response, 501, `${method} is not supported: use GET or POST\n`);
  // A page of another site in the browser of this machine could post here without asking.
  if (headers.origin !== undefined || /^(cross|same)-site$/.test(String(headers['sec-fetch-site'] ?? ''))) {
    return plain(response, 403, 'Requests from a web page are not allowed\n');
  }
  if (isGet && !url.searchParams.has('query')) return ok(response);
  if (isClosing) throw new ClickHouseException('SERVER_SHUTTING_DOWN', 'The server is shutting down');
  await handleQuery(incoming, response, url.searchParams, context);
}

function ok(response: ServerResponse): void {
  plain(response, 200, 'Ok.\n');
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=UTF-8' }).end(text);
}

function fail(incoming: IncomingMessage, response: ServerResponse, context: QueryContext, error: unknown): void {
  if (response.destroyed || response.headersSent) {
    if (!isClientGone(error)) context.log(`an answer broke off: ${String(error)}`);
    response.destroy();
    return;
  }
  const exception = engineException(error);
  if (exception.type === 'UNKNOWN_ENGINE_FAILURE') context.log(`unexpected: ${String(exception.cause ?? exception)}`);
  // Whoever is still sending would see a broken connection instead of the answer.
  readAway(incoming, () => sendException(response, exception, context.engine.version));
}

/** Reads what is left of a refused body, for as long as a request may take. */
function readAway(incoming: IncomingMessage, then: () => void): void {
  incoming.unpipe();
  incoming.resume();
  // An end by an error is an end, too: then there is nobody to answer.
  finished(incoming, then);
}

/** What is no HTTP, or has a line that is too long, before there is a request to answer. */
function refuseBadRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const [status, text] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', OVERFLOW_TEXT]
      : ['400 Bad Request', `This is no HTTP request: ${error.message}\n`];
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}

const OVERFLOW_TEXT = `The URL and the headers are larger than ${HEADER_BYTES_MAX} bytes. Send the query in the body, long parameters as multipart/form-data\n`;

/** The client's own doing, and nothing to tell of. */
function isClientGone(error: unknown): boolean {
  const { code } = Object(error);
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE' || code === 'ABORT_ERR';
}

async function listen(http: Server, host: string, port: number): Promise<void> {
  http.listen(port, host);
  try {
    await once(http, 'listening');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    throw new LocalStackError('port-taken', `Port ${port} is taken. Choose another for ClickHouse with --port.`, {
      cause,
    });
  }
}

const LOOK_EVERY_MS = 20;

/** Waits until it holds, at most so long; tells whether it does. */
async function within(ms: number, holds: () => boolean): Promise<boolean> {
  const endMs = performance.now() + ms;
  while (!holds() && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  return holds();
}
