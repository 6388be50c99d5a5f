import swagger from '@fastify/swagger';
import type { WireOptions } from '@millrace/contracts';
import { type Health, type Logger, type Metrics, registerAdminRoutes } from '@millrace/observability';
import type { FastifyInstance } from 'fastify';
import type { ApiKeys } from './access/api-keys.ts';
import type { BatchStore } from './batches/batch-store.ts';
import type { DecisionWaits } from './decisions/decision-waits.ts';
import { createPaymentKeys } from './decisions/payment-keys.ts';
import type { EventKindName, EventKinds } from './event-kinds.ts';
import { registerBatchesRoutes } from './http/batches-route.ts';
import { registerBodyParsers } from './http/body.ts';
import { registerEventsRoute } from './http/events-route.ts';
import { createGuard } from './http/guard.ts';
import { openapiInfo } from './http/openapi.ts';
import { registerProblemHandlers } from './http/problems.ts';
import { createHttpServer, HTTP_LIMITS, type HttpLimits } from './http/server.ts';
import { createStreamSlots, EVENT_STREAMS_MAX } from './http/stream-slots.ts';
import type { HttpTls } from './http/tls.ts';
import { createEventCounts, type IngestMetrics } from './metrics.ts';
import type { Publisher } from './publisher.ts';
import type { Redriver } from './redrive/redriver.ts';
import { registerRedriveRoute } from './redrive/route.ts';

export interface AppOptions {
  readonly publisher: Publisher;
  readonly kinds: EventKinds;
  readonly tokenizeCard: (cardNumber: string) => string;
  /** Not given: every caller may do everything (loopback only). */
  readonly apiKeys?: ApiKeys | undefined;
  /** Not given: HTTP without TLS. */
  readonly tls?: HttpTls | undefined;
  readonly limits?: HttpLimits;
  /** Not given: `?wait=decision` is refused. */
  readonly decisions?: DecisionWaits | undefined;
  /** Not given: batches cannot be resumed. */
  readonly batches?: BatchStore | undefined;
  /** Not given: there is no `/v1/redrive`. */
  readonly redriver?: Redriver | undefined;
  readonly nowMs: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly ingestMetrics: IngestMetrics;
  readonly health: Health;
}

/** The HTTP side of ingest, built from what it is given; it listens nowhere yet. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { publisher, kinds, apiKeys, decisions, nowMs, tokenizeCard, logger, metrics, health, ingestMetrics } = options;
  const { limits = HTTP_LIMITS, tls } = options;
  const app = createHttpServer({ limits, tls, metrics: ingestMetrics });
  app.decorateRequest('allowance', null);
  // The contracts check bodies, in one pass and with every fault; the schemas are for the OpenAPI text.
  app.setValidatorCompiler(() => () => true);
  registerProblemHandlers(app, { logger, metrics: ingestMetrics });
  registerBodyParsers(app, limits.bodyMsMax);
  await app.register(swagger, { openapi: openapiInfo({ access: apiKeys !== undefined }) });

  const stopping = new AbortController();
  app.addHook('preClose', async () => {
    stopping.abort();
    decisions?.stop();
  });
  const { signal } = stopping;
  const guard = createGuard({ apiKeys, nowMs });
  const wireOptions = (maxAgeMs: number): WireOptions => ({ nowMs: nowMs(), maxAgeMs, tokenizeCard });
  const countsOf = (kind: EventKindName) => createEventCounts(ingestMetrics, kind, 'http');
  const extras = { decisions, keys: createPaymentKeys() };
  const streamSlots = createStreamSlots(EVENT_STREAMS_MAX);
  for (const kind of [kinds.payments, kinds.telemetry, kinds.labels]) {
    const counts = countsOf(kind.name);
    const ofPayments = kind === kinds.payments ? { extras } : {};
    registerEventsRoute(app, { kind, publisher, guard, wireOptions, signal, streamSlots, counts, ...ofPayments });
  }
  const { batches: store } = options;
  await registerBatchesRoutes(app, { kinds, publisher, store, guard, wireOptions, nowMs, signal, countsOf });
  if (options.redriver !== undefined) {
    registerRedriveRoute(app, { redriver: options.redriver, guard, metrics: ingestMetrics });
  }
  registerAdminRoutes(app, { metrics, health });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  return app;
}
