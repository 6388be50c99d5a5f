import type { IncomingMessage } from 'node:http';
import type { Problem } from '@millrace/contracts';
import { createRouteMethods, type Logger } from '@millrace/observability';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { IngestError } from '../errors.ts';
import { sentenceOf } from '../intake.ts';
import type { IngestMetrics } from '../metrics.ts';

/** An answer that refuses a request: RFC 9457 problem details. `detail` names the remedy. */
export interface ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** What is wrong with which field of the event. */
  readonly problems?: readonly Problem[];
  /** Other members, as section 3.2 of the RFC allows. */
  readonly [extension: string]: unknown;
}

/** Seconds that a client is asked to wait when Kafka is slow or away. Its own backoff should grow from here. */
export const RETRY_AFTER_SECONDS = 1;

export const PROBLEM_CONTENT_TYPE = 'application/problem+json; charset=utf-8';

/** Thrown in hooks and parsers to end a request with a problem. */
export class HttpProblem extends Error {
  readonly statusCode: number;
  readonly details: ProblemDetails;
  readonly headers: Readonly<Record<string, string>>;

  constructor(details: ProblemDetails, headers: Readonly<Record<string, string>> = {}) {
    super(details.detail);
    this.name = 'HttpProblem';
    this.statusCode = details.status;
    this.details = details;
    this.headers = headers;
  }
}

export function problem(
  status: number,
  name: string,
  title: string,
  detail: string,
  extensions: Readonly<Record<string, unknown>> = {},
): ProblemDetails {
  return { type: `urn:millrace:problem:${name}`, title, status, detail, ...extensions };
}

export function sendProblem(reply: FastifyReply, details: ProblemDetails): FastifyReply {
  if (details.status === 503) reply.header('retry-after', String(RETRY_AFTER_SECONDS));
  return reply.code(details.status).header('content-type', PROBLEM_CONTENT_TYPE).send(JSON.stringify(details));
}

/** One place where errors become answers; a 5xx tells nothing of the inside, the log does. */
export function registerProblemHandlers(
  app: FastifyInstance,
  { logger, metrics }: { readonly logger: Logger; readonly metrics: Pick<IngestMetrics, 'httpRefused'> },
): void {
  const methods = createRouteMethods();
  app.addHook('onRoute', (route) => methods.add(route));
  function answerNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    readAway(request.raw, reply, 404);
    const allowed = methods.of(request.url).join(', ');
    if (allowed === '') {
      const detail = 'See /openapi.json for the routes and their methods.';
      return sendProblem(reply, problem(404, 'not-found', 'No such route', detail));
    }
    reply.header('allow', allowed);
    return sendProblem(reply, problem(405, 'method-not-allowed', 'Method not allowed', `Send ${allowed}.`));
  }

  app.setErrorHandler((error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    // Whatever is wrong with a body that nobody wants.
    if (request.is404) return answerNotFound(request, reply);
    if (error instanceof HttpProblem)
      for (const [name, value] of Object.entries(error.headers)) reply.header(name, value);
    const details = problemFor(error, request);
    metrics.httpRefused.inc({ reason: String(details.status) });
    if (details.status === 500) {
      logger.error({ err: error, method: request.method, route: request.routeOptions.url }, 'a request failed');
    }
    readAway(request.raw, reply, details.status);
    return sendProblem(reply, details);
  });
  app.setNotFoundHandler(answerNotFound);
}

/** What a client is told about an error. */
export function problemFor(error: unknown, request: FastifyRequest): ProblemDetails {
  if (error instanceof HttpProblem) return error.details;
  if (error instanceof IngestError) return unavailableProblem(error);
  const known = error instanceof Error ? problemOf(error, request) : undefined;
  return known ?? problem(500, 'internal', 'Internal error', 'Send the request again later.');
}

/** How long the rest of a refused body may take; then its connection is closed. */
const READ_AWAY_MS_MAX = 20_000;

/**
 * Reads what is left of a refused body while the answer is on its way: whoever is still sending would otherwise see a
 * broken connection instead of it.
 */
export function readAway(body: IncomingMessage, reply: FastifyReply, status: number): void {
  if (body.complete || body.destroyed) return;
  // Fastify closes the connection after a body that it did not read; after 408 that is right, because it may never end.
  if (status === 408) return;
  reply.removeHeader('connection');
  body.unpipe();
  body.resume();
  const timer = setTimeout(() => body.destroy(), READ_AWAY_MS_MAX);
  timer.unref();
  body.once('close', () => clearTimeout(timer));
}

function unavailableProblem(error: IngestError): ProblemDetails {
  const title = error.code === 'overloaded' ? 'Too much at once' : 'Events cannot be kept just now';
  const detail =
    'Not confirmed. Send the same events, with the same ids, again after Retry-After seconds; repeats are dropped.';
  return problem(503, error.code, title, detail);
}

export function emptyBody(): HttpProblem {
  const detail = 'Send an event, or an array of events, as the body.';
  return new HttpProblem(problem(400, 'empty-body', 'Empty body', detail, { field: 'body' }));
}

export function invalidEvent(problems: readonly Problem[]): ProblemDetails {
  return problem(422, 'invalid-event', 'Invalid event', sentenceOf(problems), { problems });
}

/** Errors that Fastify and Node raise while they read a request. */
function problemOf(error: Error & Partial<FastifyError>, request: FastifyRequest): ProblemDetails | undefined {
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE': {
      const { bodyLimit } = request.routeOptions;
      const detail = `The body is over ${bodyLimit} bytes (after decompression). Send fewer events at once, or NDJSON to /v1/batches.`;
      return problem(413, 'body-too-large', 'Body too large', detail, { field: 'body', limit_bytes: bodyLimit });
    }
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE': {
      const detail = 'Send application/json, or application/x-ndjson with one event per line.';
      return problem(415, 'unsupported-media-type', 'Unsupported media type', detail, { field: 'content-type' });
    }
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return emptyBody().details;
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return malformedJson();
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH': {
      const detail = 'Content-Length does not match the body. Correct it, or leave it out and send the body chunked.';
      return problem(400, 'content-length', 'Wrong Content-Length', detail, { field: 'content-length' });
    }
    case 'Z_DATA_ERROR':
    case 'Z_BUF_ERROR': {
      const detail = 'Content-Encoding says gzip, but the body is not a complete gzip stream.';
      return problem(400, 'malformed-gzip', 'Malformed gzip', detail, { field: 'content-encoding' });
    }
    default:
      if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
        return problem(
          error.statusCode,
          'bad-request',
          'Bad request',
          'The request could not be read. See /openapi.json.',
        );
      }
      return undefined;
  }
}

function malformedJson(): ProblemDetails {
  // Without the parser's own message: it quotes the body, which may hold a card number.
  const detail =
    'The body is not valid JSON, or uses a forbidden name such as __proto__. Correct it and send it again.';
  return problem(400, 'malformed-json', 'Malformed JSON', detail, { field: 'body' });
}
