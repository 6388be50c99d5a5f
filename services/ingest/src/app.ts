import swagger from '@fastify/swagger';
import type { WireOptions } from '@millrace/contracts';
import { type Health, type Logger, type Metrics, registerAdminRoutes } from '@millrace/observability';
import Fastify, { type FastifyInstance } from 'fastify';
import type { FindApiKey } from './access.ts';
import type { DecisionWaits } from './decisions/decision-waits.ts';
import { createPaymentKeys } from './decisions/payment-keys.ts';
import type { EventKindName, EventKinds } from './event-kinds.ts';
import { registerBatchesRoute } from './http/batches-route.ts';
import { BODY_BYTES_MAX, registerBodyParsers } from './http/body.ts';
import { registerEventsRoute } from './http/events-route.ts';
import { createGuard } from './http/guard.ts';
import { OPENAPI_INFO } from './http/openapi.ts';
import { registerProblemHandlers } from './http/problems.ts';
import { createEventCounts, type IngestMetrics } from './metrics.ts';
import type { Publisher } from './publisher.ts';

export interface AppOptions {
  readonly publisher: Publisher;
  readonly kinds: EventKinds;
  readonly tokenizeCard: (cardNumber: string) => string;
  /** Not given: every caller may do everything (loopback only). */
  readonly findApiKey?: FindApiKey | undefined;
  /** Not given: `?wait=decision` is refused. */
  readonly decisions?: DecisionWaits | undefined;
  readonly nowMs: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly ingestMetrics: IngestMetrics;
  readonly health: Health;
}

/** All headers together. */
const HEADER_BYTES_MAX = 16 * 1024;
/** The whole head of a request; Node's own check runs every 30 s. */
const HEADERS_MS_MAX = 20_000;
/** A connection on which nothing moves, also in the middle of a stream. */
const SOCKET_IDLE_MS_MAX = 30_000;
/** Longer than the idle time of common load balancers (60 s), so that it is they who close an idle connection. */
const KEEP_ALIVE_MS = 72_000;
const CONNECTIONS_MAX = 12_000;

/** The HTTP side of ingest, built from what it is given; it listens nowhere yet. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { publisher, kinds, findApiKey, decisions, nowMs, tokenizeCard, logger, metrics, health, ingestMetrics } =
    options;
  const app = Fastify({
    bodyLimit: BODY_BYTES_MAX,
    connectionTimeout: SOCKET_IDLE_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // A stream may last as long as its sender likes; heads and JSON bodies have limits of their own.
    requestTimeout: 0,
    http: { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: HEADERS_MS_MAX },
    forceCloseConnections: 'idle',
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  // The contracts check bodies, in one pass and with every fault; the schemas are for the OpenAPI text.
  app.setValidatorCompiler(() => () => true);
  registerProblemHandlers(app, logger);
  registerBodyParsers(app);
  await app.register(swagger, { openapi: OPENAPI_INFO });

  const stopping = new AbortController();
  app.addHook('preClose', async () => {
    stopping.abort();
    decisions?.stop();
  });
  const { signal } = stopping;
  const guard = createGuard(findApiKey);
  const wireOptions = (maxAgeMs: number): WireOptions => ({ nowMs: nowMs(), maxAgeMs, tokenizeCard });
  const countsOf = (kind: EventKindName) => createEventCounts(ingestMetrics, kind, 'http');
  const extras = { decisions, keys: createPaymentKeys() };
  for (const kind of [kinds.payments, kinds.telemetry, kinds.labels]) {
    const counts = countsOf(kind.name);
    const ofPayments = kind === kinds.payments ? { extras } : {};
    registerEventsRoute(app, { kind, publisher, guard, wireOptions, signal, counts, ...ofPayments });
  }
  registerBatchesRoute(app, { kinds, publisher, guard, wireOptions, signal, countsOf });
  registerAdminRoutes(app, { metrics, health });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  return app;
}
