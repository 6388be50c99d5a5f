import type { ServerResponse } from 'node:http';
import { releaseBody } from './body.ts';
import type { Engine, EngineConnection } from './engine/engine.ts';
import { ClickHouseException } from './exception.ts';
import { streamableFormat, withoutLines } from './formats.ts';
import type { Lane } from './lane.ts';
import { raiseNativeRevision } from './native-revision.ts';
import type { QueryRequest } from './request.ts';
import { type AnswerHead, type Summary, sendResult, streamResult } from './response.ts';
import type { Sessions } from './sessions.ts';
import { preambleSql } from './settings.ts';
import type { Statement } from './statement.ts';
import type { User } from './users.ts';

/** Apart from each other, so that neither long reads nor an ALTER keep inserts waiting. */
export interface Lanes {
  /** SELECT, SHOW, DESCRIBE. */
  readonly reads: Lane;
  /** INSERT of rows that came with it. */
  readonly inserts: Lane;
  /** INSERT ... SELECT, DDL, SYSTEM and the rest. */
  readonly changes: Lane;
  /** Requests with a large body, from its first byte to the answer: they bound what bodies take in memory. */
  readonly uploads: Lane;
}

export interface QueryContext {
  readonly engine: Engine;
  readonly users: readonly User[];
  readonly sessions: Sessions;
  readonly lanes: Lanes;
  /** Ids of the queries that run or wait. */
  readonly running: Set<string>;
  describeError(error: unknown): string;
  log(line: string): void;
}

/** A query as it will run. */
export interface Task {
  readonly request: QueryRequest;
  readonly user: User;
  readonly response: ServerResponse;
  readonly acceptEncoding: string | undefined;
  /** Content-Type of the body. */
  readonly type: string | undefined;
}

/**
 * Runs an INSERT whose rows are in `data`; the statement is the query, or else the start of `data`.
 *
 * Delivery: answered after the engine has written the rows as one part (up to its `max_insert_block_size` of a million
 * rows), so they are there after the death of this process; of a failed INSERT nothing is there.
 */
export async function runInsert(task: Task, data: Buffer, context: QueryContext): Promise<void> {
  const sql = `${preamble(task)}${task.request.query}`;
  const written = await onConnection(task, context, (connection) =>
    connection.insert(sql, data).catch(ignoreNoData),
  ).finally(() => releaseBody(data));
  const summary: Summary = {
    readRows: 0,
    readBytes: 0,
    writtenRows: written.rowsWritten,
    writtenBytes: written.bytesWritten,
    elapsedS: written.elapsed,
  };
  const { response, request } = task;
  await sendResult(response, head(task, context, summary, request.defaultFormat), Buffer.alloc(0));
}

/** Runs any other statement and answers when its result is complete. */
export async function runWhole(task: Task, statement: Statement, context: QueryContext): Promise<void> {
  const { request } = task;
  const format = statement.format ?? request.defaultFormat;
  const result = await onConnection(task, context, (connection) =>
    connection.query(`${preamble(task)}${request.query}`, request.defaultFormat),
  );
  const summary: Summary = {
    readRows: result.rowsRead,
    readBytes: result.bytesRead,
    writtenRows: 0,
    writtenBytes: 0,
    elapsedS: result.elapsed,
  };
  await sendResult(task.response, head(task, context, summary, format), inRevision(task, format, result.bytes));
}

/** Runs a SELECT and sends each chunk of its result as it is computed. */
export async function runStream(task: Task, statement: Statement, context: QueryContext): Promise<void> {
  const { request, response } = task;
  const format = statement.format ?? request.defaultFormat;
  const startedMs = performance.now();
  const stream = context.engine.stream({
    preamble: preamble(task),
    sql: request.query.replace(/[;\s]+$/, ''),
    format: request.defaultFormat,
  });
  async function* chunks(firstChunk: Buffer): AsyncGenerator<Buffer> {
    yield firstChunk;
    const headerLines = streamableFormat(format)?.headerLines ?? 0;
    for await (const chunk of stream) yield inRevision(task, format, withoutLines(chunk, headerLines));
  }
  try {
    // What is wrong with the query shows in its first chunk, while the status can still say so.
    const first = await stream.next();
    const firstChunk = first.done ? Buffer.alloc(0) : inRevision(task, format, first.value);
    const elapsedS = (performance.now() - startedMs) / 1_000;
    const summary: Summary = { readRows: 0, readBytes: 0, writtenRows: 0, writtenBytes: 0, elapsedS };
    await streamResult(response, head(task, context, summary, format), chunks(firstChunk), context.describeError);
  } finally {
    await stream.return();
  }
}

async function onConnection<T>(
  task: Task,
  context: QueryContext,
  work: (connection: EngineConnection) => Promise<T>,
): Promise<T> {
  const { session } = task.request;
  if (session !== undefined) return context.sessions.use({ user: task.user.name, ...session }, work);
  const connection = context.engine.connect();
  try {
    return await work(connection);
  } finally {
    connection.close();
  }
}

function preamble({ request, user }: Task): string {
  // `readonly` cannot be taken back from a session's connection; there a GET is judged by the class of its statement.
  return preambleSql({ ...request, readOnly: user.readOnly || (request.readOnly && request.session === undefined) });
}

function head(task: Task, { engine }: QueryContext, summary: Summary, format: string): AnswerHead {
  return { timezone: engine.timezone, format, summary, acceptEncoding: task.acceptEncoding };
}

function inRevision({ request }: Task, format: string, chunk: Buffer): Buffer {
  return format === 'Native' ? raiseNativeRevision(chunk, request.clientProtocolVersion) : chunk;
}

const NO_DATA_TO_INSERT = 108;

/** An INSERT without rows is right and does nothing, as in ClickHouse's HTTP interface. */
function ignoreNoData(error: unknown) {
  if (error instanceof ClickHouseException && error.code === NO_DATA_TO_INSERT) {
    return { elapsed: 0, rowsWritten: 0, bytesWritten: 0 };
  }
  throw error;
}
