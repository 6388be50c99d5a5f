import type { Server } from 'node:http';
import { createClientErrorHandler } from '@millrace/observability';
import Fastify, { type FastifyHttpOptions, type FastifyInstance, type FastifyReply } from 'fastify';
import type { IngestMetrics } from '../metrics.ts';
import { BODY_BYTES_MAX } from './body.ts';
import { type ProblemDetails, problem, sendProblem } from './problems.ts';
import { type HttpTls, httpsOptions } from './tls.ts';

/** What a client may take of this service before it has said anything of use. */
export interface HttpLimits {
  /** The whole head of a request. */
  readonly headersMsMax: number;
  /** A JSON body. */
  readonly bodyMsMax: number;
  /** A connection on which nothing moves, also in the middle of a stream. */
  readonly socketIdleMsMax: number;
  readonly connectionsMax: number;
}

export const HTTP_LIMITS: HttpLimits = {
  headersMsMax: 20_000,
  bodyMsMax: 20_000,
  socketIdleMsMax: 30_000,
  connectionsMax: 12_000,
};

/** All headers together. */
const HEADER_BYTES_MAX = 16 * 1024;
/** How often Node looks for heads that are late; every 30 s if nothing is said. */
const HEADERS_CHECK_MS = 5_000;
/** Longer than the idle time of common load balancers (60 s), so that it is they who close an idle connection. */
const KEEP_ALIVE_MS = 72_000;
/** What is under way when the service stops: the time that Kafka has to confirm. The whole stop may take 8 s. */
const CLOSE_MS_MAX = 5_000;
const CLOSE_CHECK_MS = 50;

export interface HttpServerOptions {
  readonly limits: HttpLimits;
  readonly tls: HttpTls | undefined;
  readonly metrics: IngestMetrics;
}

/** A Fastify instance without routes, whose limits hold against clients that are slow, many or malicious. */
export function createHttpServer({ limits, tls, metrics }: HttpServerOptions): FastifyInstance {
  const http = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: limits.headersMsMax,
    connectionsCheckingInterval: Math.min(HEADERS_CHECK_MS, limits.headersMsMax),
  };
  const options: FastifyHttpOptions<Server> = {
    bodyLimit: BODY_BYTES_MAX,
    connectionTimeout: limits.socketIdleMsMax,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // A stream may last as long as its sender likes; heads and JSON bodies have limits of their own.
    requestTimeout: 0,
    forceCloseConnections: 'idle',
    // While closing, what came on an open connection is answered as ever, with `Connection: close`.
    return503OnClosing: false,
    clientErrorHandler: createClientErrorHandler((status) => metrics.httpRefused.inc({ reason: String(status) })),
    // Before there is a route, and with it an error handler.
    frameworkErrors: (_error, _request, reply) => sendProblem(reply as FastifyReply, malformedUrl()),
    http,
  };
  // What is different about HTTPS stays behind `server`, which is an http.Server to everybody else.
  const app: FastifyInstance =
    tls === undefined ? Fastify(options) : Fastify({ ...options, https: { ...http, ...httpsOptions(tls) } } as object);
  app.server.maxConnections = limits.connectionsMax;
  app.server.on('drop', () => metrics.httpConnectionsDropped.inc());
  app.addHook('preClose', async () => closeConnections(app.server));
  return app;
}

/** Connections are closed as they become idle, and those that do not are closed at last. */
function closeConnections(server: Server): void {
  const deadlineMs = performance.now() + CLOSE_MS_MAX;
  const timer = setInterval(() => {
    if (performance.now() < deadlineMs) server.closeIdleConnections();
    else server.closeAllConnections();
  }, CLOSE_CHECK_MS);
  server.once('close', () => clearInterval(timer));
}

function malformedUrl(): ProblemDetails {
  return problem(400, 'malformed-url', 'Malformed URL', 'The path cannot be decoded. Correct its percent-encoding.');
}
