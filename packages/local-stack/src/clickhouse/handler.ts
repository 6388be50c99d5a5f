import type { IncomingMessage, ServerResponse } from 'node:http';
import { isLargeBody, parseForm, readBody } from './body.ts';
import { READS } from './engine/addon.ts';
import { ClickHouseException } from './exception.ts';
import { streamableFormat } from './formats.ts';
import { parseRequest, type QueryRequest } from './request.ts';
import { type QueryContext, runInsert, runStream, runWhole, type Task } from './run.ts';
import { describeStatement, killByRequestId, outsideCall, type Statement } from './statement.ts';
import { authenticate, type User } from './users.ts';

/** Of an INSERT in a body, only so much is looked at; of one with its data elsewhere, this much is judged by the engine. */
const STATEMENT_BYTES_MAX = 64 * 1024;

/**
 * Runs the query of one request and answers it.
 *
 * @throws ClickHouseException when nothing has been sent yet
 */
export async function handleQuery(
  incoming: IncomingMessage,
  response: ServerResponse,
  parameters: URLSearchParams,
  context: QueryContext,
): Promise<void> {
  const { headers, method = 'GET' } = incoming;
  const user = authenticate(context.users, { headers, parameters });
  const request = parseRequest({ method, parameters, headers });
  const acceptEncoding = request.compressResponse ? String(headers['accept-encoding'] ?? '') : undefined;
  const task: Task = { request, user, response, acceptEncoding, type: headers['content-type'] };
  response.setHeader('X-ClickHouse-Query-Id', request.queryId);
  if (context.running.has(request.queryId)) {
    throw new ClickHouseException(
      'QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING',
      `Query with id = ${request.queryId} is already running`,
    );
  }
  context.running.add(request.queryId);
  try {
    const run = async () => runBody(task, await readBody(incoming), context);
    await (isLargeBody(incoming) ? context.lanes.uploads.run(run) : run());
  } finally {
    context.running.delete(request.queryId);
  }
}

async function runBody(task: Task, body: Buffer, context: QueryContext): Promise<void> {
  const { request, type } = task;
  const isInsert = describeStatement(request.query === '' ? startOf(body) : request.query).keyword === 'INSERT';
  await (isInsert ? insert(task, body, context) : query(await withBody(task, body, type), context));
}

async function withBody(task: Task, body: Buffer, type: string | undefined): Promise<Task> {
  const { request } = task;
  if (type?.startsWith('multipart/form-data')) {
    const form = await parseForm(body, type);
    const parameters = new Map([...request.parameters, ...form.parameters]);
    return { ...task, request: { ...request, query: form.query ?? request.query, parameters } };
  }
  const separator = request.query === '' || body.length === 0 ? '' : '\n';
  return { ...task, request: { ...request, query: `${request.query}${separator}${body}` } };
}

async function insert(task: Task, data: Buffer, context: QueryContext): Promise<void> {
  const { request } = task;
  const isInBody = request.query === '';
  const text = isInBody ? startOf(data) : request.query;
  const statement = describeStatement(text);
  refuseFiles(statement, task.user);
  if (statement.calls.has('input')) {
    // The engine reads the data as if there were none, and would report success.
    throw new ClickHouseException('NOT_IMPLEMENTED', 'This server cannot INSERT through the table function input()');
  }
  if (request.readOnly) throw readOnly();
  if (!isInBody || data.length <= STATEMENT_BYTES_MAX) await refuseSeveral(text, context);
  const lane = statement.hasSelect ? context.lanes.changes : context.lanes.inserts;
  await lane.run(() => runInsert(task, data, context));
}

async function query(task: Task, context: QueryContext): Promise<void> {
  const { request } = task;
  if (request.query.trim() === '') throw new ClickHouseException('SYNTAX_ERROR', 'Syntax error: Empty query');
  const statement = describeStatement(request.query);
  refuseFiles(statement, task.user);
  const isRead = (await refuseSeveral(request.query, context)) === READS;
  if (request.readOnly && request.session !== undefined && !isRead) throw readOnly();
  if (statement.keyword === 'KILL') {
    // Never in line behind what it is to end.
    const kill = { ...task, request: { ...request, query: killByRequestId(request.query) } };
    return runWhole(kill, statement, context);
  }
  const isStream = isRead && STREAMED_KEYWORDS.has(statement.keyword) && mayStream(request, statement);
  if (isRead) {
    const run = isStream ? runStream : runWhole;
    await context.lanes.reads.run(() => killedWithClient(task, context, () => run(task, statement, context)));
  } else await context.lanes.changes.run(() => runWhole(task, statement, context));
}

/** The engine streams SELECT, and not SHOW, DESCRIBE or EXPLAIN. */
const STREAMED_KEYWORDS: ReadonlySet<string> = new Set(['SELECT', 'WITH', '(']);

function mayStream(request: QueryRequest, statement: Statement): boolean {
  const format = statement.format ?? request.defaultFormat;
  return request.session === undefined && !request.waitEndOfQuery && streamableFormat(format) !== undefined;
}

/** Runs `work` and kills the query when the client goes away before the answer is complete. */
async function killedWithClient(task: Task, context: QueryContext, work: () => Promise<void>): Promise<void> {
  const { response, request } = task;
  // It has gone while it was in line.
  if (response.destroyed) return;
  const kill = () => {
    if (response.writableFinished) return;
    context.engine.kill(request.queryId).catch((error) => context.log(`cannot kill ${request.queryId}: ${error}`));
  };
  response.once('close', kill);
  try {
    await work();
  } finally {
    response.off('close', kill);
  }
}

/** @returns the class of the statement */
async function refuseSeveral(sql: string, { engine }: QueryContext): Promise<number> {
  const { statementCount, queryClass } = await engine.classify(sql);
  if (statementCount > 1) {
    throw new ClickHouseException('SYNTAX_ERROR', 'Syntax error (Multi-statements are not allowed)');
  }
  return queryClass;
}

function refuseFiles(statement: Statement, user: User): void {
  if (statement.usesFile) {
    throw new ClickHouseException('INTO_OUTFILE_NOT_ALLOWED', 'INTO OUTFILE and FROM INFILE are not allowed');
  }
  const call = user.readOnly ? outsideCall(statement) : undefined;
  if (call !== undefined) {
    throw new ClickHouseException(
      'ACCESS_DENIED',
      `${user.name}: Not enough privileges for the table function ${call}`,
    );
  }
}

function readOnly(): ClickHouseException {
  return new ClickHouseException('READONLY', 'Cannot execute query in readonly mode. For a write use POST');
}

function startOf(body: Buffer): string {
  return body.subarray(0, STATEMENT_BYTES_MAX).toString();
}
