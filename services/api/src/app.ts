import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import {
  createClientErrorHandler,
  type Health,
  type Logger,
  type Metrics,
  registerAdminRoutes,
} from '@millrace/observability';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifySchema,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify';
import { registerProblemHandlers, sendUrlProblem } from './http/problems.ts';
import { createEventStreams, STREAM_LIMITS, type StreamLimits } from './live/event-stream.ts';
import type { Reads } from './reads.ts';
import type { Reconciliation } from './reconciliation/reconciler.ts';
import type { RedriveThroughIngest } from './redrive/ingest-client.ts';
import { registerConsole } from './routes/console.ts';
import { LETTER_ID_LENGTH_MAX, registerDeadLetterRoutes } from './routes/dead-letters.ts';
import { registerEntityRoutes } from './routes/entities.ts';
import { registerEventRoutes } from './routes/events.ts';
import { type InsertLedger, registerLedgerRoutes } from './routes/ledgers.ts';
import { registerOperationsRoutes } from './routes/operations.ts';
import { type LiveFeeds, registerStreamRoutes } from './routes/streams.ts';

export interface AppOptions {
  readonly reads: Reads;
  readonly reconciliation: () => Reconciliation | undefined;
  readonly insertLedger: InsertLedger;
  readonly redrive: RedriveThroughIngest;
  readonly feeds: LiveFeeds;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly logger: Logger;
  readonly now?: () => number;
  readonly streamLimits?: StreamLimits;
}

export type ApiInstance = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression<RawServerDefault>,
  RawReplyDefaultExpression<RawServerDefault>,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** Of the OpenAPI text. Checked against package.json by a test. */
export const API_VERSION = '0.1.0';

/** Of a request that is no ledger. */
const BODY_BYTES_MAX = 64 * 1024;
const REQUEST_MS_MAX = 30_000;
const CONNECTIONS_MAX = 2_000;

/** The API and the console, built from what they are given; they listen nowhere yet. */
export async function createApp(options: AppOptions): Promise<ApiInstance> {
  const { reads, reconciliation, insertLedger, redrive, feeds, metrics, health, logger, now = Date.now } = options;
  const app: ApiInstance = Fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    forceCloseConnections: true,
    clientErrorHandler: createClientErrorHandler(),
    frameworkErrors: (error, _request, reply) => sendUrlProblem(error, reply as FastifyReply),
    // Longer than any id, so that the schema refuses an id for its length, with its name.
    routerOptions: { maxParamLength: 2 * LETTER_ID_LENGTH_MAX },
    ajv: { customOptions: { allErrors: true, removeAdditional: false, coerceTypes: true } },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.server.maxConnections = CONNECTIONS_MAX;
  // Answers are written as the views make them; schemas of answers are for the OpenAPI text, and tests check them.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  registerProblemHandlers(app, logger);
  countRequests(app, metrics);
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff').header('referrer-policy', 'no-referrer');
  });

  await app.register(swagger, { openapi: OPENAPI, transform: withOptionalDefaults });
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: true });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());

  const streams = createEventStreams(metrics, options.streamLimits ?? STREAM_LIMITS);
  app.addHook('preClose', async () => streams.close());
  registerEventRoutes(app, reads);
  registerEntityRoutes(app, reads);
  registerOperationsRoutes(app, { reads, reconciliation, now });
  registerDeadLetterRoutes(app, { reads, redrive });
  registerLedgerRoutes(app, insertLedger);
  registerStreamRoutes(app, feeds, streams);
  registerAdminRoutes(app, { metrics, health });
  await registerConsole(app);
  return app;
}

function countRequests(app: ApiInstance, metrics: Metrics): void {
  const seconds = metrics.histogram({
    name: 'http_request_seconds',
    help: 'Time to answer, by route and status; a stream counts when it ends.',
    labels: ['route', 'status'],
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    seconds.observe({ route, status: String(reply.statusCode) }, reply.elapsedTime / 1000);
  });
}

/** What has a default need not be sent, though the type of a handler's parameters has it for sure. */
function withOptionalDefaults({ schema, url }: { readonly schema: FastifySchema; readonly url: string }) {
  const querystring = schema?.querystring as Querystring | undefined;
  if (querystring?.required === undefined) return { schema, url };
  const { required, ...others } = querystring;
  const needed = required.filter((name) => !('default' in (others.properties[name] ?? {})));
  return { schema: { ...schema, querystring: { ...others, ...(needed.length > 0 && { required: needed }) } }, url };
}

interface Querystring {
  readonly required?: readonly string[];
  readonly properties: Readonly<Record<string, object>>;
}

const OPENAPI = {
  openapi: '3.1.0' as const,
  info: {
    title: 'Millrace API',
    version: API_VERSION,
    description:
      'Payments, decisions and alerts as they are stored, and live. Times are RFC 3339 in UTC, amounts are decimal strings. Errors are problem details (RFC 9457) that name the field and the remedy.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  tags: [
    { name: 'events', description: 'Payments, decisions, alerts.' },
    { name: 'entities', description: 'Customers, merchants, devices.' },
    { name: 'live', description: 'Server-sent events.' },
    { name: 'operations', description: 'How the pipeline does.' },
  ],
};
