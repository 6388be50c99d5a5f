import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ObservabilityError } from './errors.ts';
import type { Health } from './health.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

export interface AdminSources {
  readonly metrics: Metrics;
  readonly health: Health;
}

export interface AdminServerOptions extends AdminSources {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly logger: Logger;
}

export interface AdminServer {
  readonly port: number;
  /** From now on GET requests under `/<name>` get this answer as JSON, or as problem details where it is an error. */
  mount(name: string, answer: MountedAnswer): void;
  close(): Promise<void>;
}

export type MountedAnswer = (url: URL) => Promise<{ readonly status: number; readonly body: object }>;

/**
 * Serves `/metrics`, `/health/live` and `/health/ready` (503 until ready) on a port of its own, which need not be
 * reachable from outside. Throws `address-in-use` or `listen-failed`.
 */
export async function startAdminServer({ host, port, logger, ...sources }: AdminServerOptions): Promise<AdminServer> {
  const mounted = new Map<string, MountedAnswer>();
  const server = createServer({ requestTimeout: ADMIN_REQUEST_MS_MAX }, (request, response) => {
    const url = request.url ?? '/';
    const path = url.split('?', 1)[0] ?? '/';
    const own = ADMIN_ROUTES[path];
    const other = mounted.get(path.split('/', 2)[1] ?? '');
    const answer = own ?? (other && (() => answerMounted(other, url)));
    if (answer === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) {
      const paths = [...Object.keys(ADMIN_ROUTES), ...[...mounted.keys()].map((name) => `/${name}`)];
      response.writeHead(404, { 'content-type': 'text/plain' }).end(`Try ${paths.join(', ')}.\n`);
      return;
    }
    answer(sources).then(
      ({ status, contentType, body }) => {
        response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' });
        response.end(request.method === 'HEAD' ? undefined : body);
      },
      (error: unknown) => {
        logger.error({ err: error, path }, 'could not answer an admin request');
        response.writeHead(500).end();
      },
    );
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });
  const { port: boundPort } = server.address() as AddressInfo;
  return {
    port: boundPort,
    mount: (name, answer) => mounted.set(name, answer),
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

/** The same routes on a service's own HTTP port, hidden from its OpenAPI text. `host` is any Fastify 5 instance. */
export function registerAdminRoutes(host: RouteHost, sources: AdminSources): void {
  for (const [url, answer] of Object.entries(ADMIN_ROUTES)) {
    host.route({
      method: 'GET',
      url,
      schema: { hide: true },
      logLevel: 'warn',
      handler: async (_request, reply) => {
        const { status, contentType, body } = await answer(sources);
        reply.code(status).header('content-type', contentType).header('cache-control', 'no-store').send(body);
        return reply;
      },
    });
  }
}

/** The part of a Fastify instance that is used, whatever its logger and type provider. */
export interface RouteHost {
  route(options: {
    method: 'GET';
    url: string;
    schema: object;
    logLevel: 'warn';
    handler: (request: unknown, reply: RouteReply) => Promise<unknown>;
  }): unknown;
}

interface RouteReply {
  code(status: number): RouteReply;
  header(name: string, value: string): RouteReply;
  send(body: string): unknown;
}

interface AdminAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const ADMIN_REQUEST_MS_MAX = 10_000;

const ADMIN_ROUTES: Readonly<Record<string, (sources: AdminSources) => Promise<AdminAnswer>>> = {
  '/metrics': async ({ metrics: { registry } }) => ({
    status: 200,
    contentType: registry.contentType,
    body: await registry.metrics(),
  }),
  // Live means only that the event loop answers: a restart cures nothing that Kafka or ClickHouse suffers from.
  '/health/live': async () => json(200, { live: true }),
  '/health/ready': async ({ health }) => json(health.isReady() ? 200 : 503, health.report()),
};

async function answerMounted(answer: MountedAnswer, url: string): Promise<AdminAnswer> {
  if (!URL.canParse(url, 'http://localhost')) return { status: 400, contentType: 'text/plain', body: 'Not a URL.\n' };
  const { status, body } = await answer(new URL(url, 'http://localhost'));
  const contentType = status < 400 ? 'application/json; charset=utf-8' : 'application/problem+json';
  return { status, contentType, body: `${JSON.stringify(body, readable)}\n` };
}

/** What JSON has no form for. */
function readable(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Map) return Object.fromEntries(value);
  return value instanceof Set ? [...value] : value;
}

function json(status: number, body: unknown): AdminAnswer {
  return { status, contentType: 'application/json; charset=utf-8', body: `${JSON.stringify(body)}\n` };
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): ObservabilityError {
  if (error.code === 'EADDRINUSE') {
    const message = `Port ${port} on ${host} is taken. Set METRICS_PORT to a free port, or stop what uses it.`;
    return new ObservabilityError('address-in-use', message, { cause: error });
  }
  return new ObservabilityError('listen-failed', `Cannot listen on ${host}:${port}: ${error.message}`, {
    cause: error,
  });
}
