import { createRouteMethods, type Logger } from '@millrace/observability';
import { WarehouseError } from '@millrace/warehouse';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from '../errors.ts';

/** One thing that is wrong with a request. */
export interface FieldProblem {
  readonly field: string;
  readonly message: string;
}

/** An answer that refuses a request: RFC 9457 problem details. `detail` names the remedy. */
export interface ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly problems?: readonly FieldProblem[];
}

/** Thrown by a handler to end its request with a problem. */
export class HttpProblem extends Error {
  readonly details: ProblemDetails;

  constructor(details: ProblemDetails) {
    super(details.detail);
    this.name = 'HttpProblem';
    this.details = details;
  }
}

/** Seconds to wait while something that this service needs is starting or away. */
export const RETRY_AFTER_SECONDS = 2;

export const PROBLEM_CONTENT_TYPE = 'application/problem+json; charset=utf-8';

export function notFound(what: string, id: string): HttpProblem {
  const detail = `There is no ${what} ${id}. What was accepted a moment ago appears after some seconds.`;
  return new HttpProblem(problem(404, 'not-found', `No such ${what}`, detail));
}

export function badField(field: string, message: string): HttpProblem {
  return new HttpProblem(badRequest([{ field, message }]));
}

export function unavailable(name: string, title: string, detail: string): HttpProblem {
  return new HttpProblem(problem(503, name, title, detail));
}

/** One place where errors become answers; a 5xx tells nothing of the inside, the log does. */
export function registerProblemHandlers(app: FastifyInstance, logger: Logger): void {
  const methods = createRouteMethods();
  app.addHook('onRoute', (route) => methods.add(route));
  function answerNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const allowed = methods.of(request.url).join(', ');
    if (allowed === '') {
      const detail = 'See /docs for the routes and their methods.';
      return sendProblem(reply, problem(404, 'no-route', 'No such route', detail));
    }
    reply.header('allow', allowed);
    return sendProblem(reply, problem(405, 'method-not-allowed', 'Method not allowed', `Send ${allowed}.`));
  }

  app.setErrorHandler((error: unknown, request, reply) => {
    if (request.is404) return answerNotFound(request, reply);
    const details = problemFor(error);
    if (details.status === 500) {
      logger.error({ err: error, method: request.method, route: request.routeOptions.url }, 'a request failed');
    } else if (error instanceof ApiError && error.code === 'ingest-unavailable') {
      logger.warn({ err: error }, 'a redrive did not get through');
    } else if (details.status === 503 && !(error instanceof HttpProblem)) {
      logger.debug({ err: error, route: request.routeOptions.url }, 'a request was answered with 503');
    }
    return sendProblem(reply, details);
  });
  app.setNotFoundHandler(answerNotFound);
}

export function sendProblem(reply: FastifyReply, details: ProblemDetails): FastifyReply {
  if (details.status === 503) reply.header('retry-after', String(RETRY_AFTER_SECONDS));
  return reply.code(details.status).header('content-type', PROBLEM_CONTENT_TYPE).send(JSON.stringify(details));
}

function problemFor(error: unknown): ProblemDetails {
  if (error instanceof HttpProblem) return error.details;
  if (error instanceof WarehouseError) return warehouseProblem(error);
  if (error instanceof ApiError && error.code === 'ingest-unavailable') {
    const detail = 'Ask the same again after Retry-After seconds. What was redriven by now is not redriven twice.';
    return problem(503, error.code, 'Ingest does not take letters', detail);
  }
  if (error instanceof ApiError) {
    return problem(503, error.code, 'Not available just now', 'Try again after Retry-After seconds.');
  }
  const known = error instanceof Error ? requestProblem(error) : undefined;
  return known ?? internalProblem();
}

function warehouseProblem({ code }: WarehouseError): ProblemDetails {
  switch (code) {
    case 'overloaded':
      return problem(
        503,
        'query-limit',
        'The question took too long',
        'It was given up at its limit of time or memory. Ask for a narrower time range (since, until), or try again later.',
      );
    case 'unavailable':
    case 'missing':
    case 'aborted':
      return problem(503, 'store-unavailable', 'The store does not answer', 'Try again after Retry-After seconds.');
    default:
      return internalProblem();
  }
}

/** Errors that Fastify raises while it reads and checks a request. */
function requestProblem(error: Error & Partial<FastifyError>): ProblemDetails | undefined {
  if (error.validation !== undefined) {
    const place = error.validationContext === 'params' ? '' : `${error.validationContext}.`;
    return badRequest(
      error.validation.map(({ keyword, instancePath, params, message }) => {
        const name = instancePath.slice(1) || String(params.additionalProperty ?? params.missingProperty ?? '');
        return {
          field: place === 'querystring.' ? name : `${place}${name}`,
          message: remedy(keyword, params, message),
        };
      }),
    );
  }
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return problem(413, 'body-too-large', 'Body too large', 'Send fewer lines at once.');
  }
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return problem(415, 'unsupported-media-type', 'Unsupported media type', NEEDED_MEDIA_TYPES);
  }
  const { statusCode = 500 } = error;
  if (statusCode < 400 || statusCode >= 500) return undefined;
  return problem(statusCode, 'bad-request', 'Bad request', 'The request could not be read. See /docs for its form.');
}

const NEEDED_MEDIA_TYPES = 'Send application/json, or a ledger as application/x-ndjson.';

function remedy(keyword: string, params: Record<string, unknown>, message = 'is not right'): string {
  if (keyword === 'additionalProperties') return 'is not known here; see /docs for the parameters';
  if (keyword === 'enum' && Array.isArray(params.allowedValues))
    return `must be one of ${params.allowedValues.join(', ')}`;
  return message;
}

function badRequest(problems: readonly FieldProblem[]): ProblemDetails {
  const detail = problems.map(({ field, message }) => `${field} ${message}`).join('; ');
  return { ...problem(400, 'bad-request', 'Bad request', `${detail}.`), problems };
}

/** A URL that no route is looked up for. */
export function sendUrlProblem(error: FastifyError, reply: FastifyReply): FastifyReply {
  const tooLong = error.statusCode === 414;
  const detail = tooLong ? 'No id is that long.' : 'The path cannot be decoded. Correct its percent-encoding.';
  const [status, name, title] = tooLong ? [414, 'url-too-long', 'URL too long'] : [400, 'bad-url', 'Malformed URL'];
  return sendProblem(reply, problem(Number(status), String(name), String(title), detail));
}

function internalProblem(): ProblemDetails {
  return problem(500, 'internal', 'Internal error', 'Send the request again later.');
}

function problem(status: number, name: string, title: string, detail: string): ProblemDetails {
  return { type: `urn:millrace:problem:${name}`, title, status, detail };
}
