import type { WireOptions } from '@millrace/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { EVENT_KINDS, type EventKind, type EventKindName, type EventKinds } from '../event-kinds.ts';
import type { EventCounts } from '../metrics.ts';
import type { Publisher } from '../publisher.ts';
import { isNdjson } from './body.ts';
import { takeEventStream } from './event-stream.ts';
import type { Guard } from './guard.ts';
import { batchesSchema } from './openapi.ts';
import { HttpProblem, problem } from './problems.ts';
import { sendStreamResult, streamBody } from './stream-answer.ts';
import { paymentOf } from './stream-pace.ts';
import { traceparentOf } from './trace.ts';

/** Streams that are read at the same time; each holds two chunks of events at most. */
export const BATCH_STREAMS_MAX = 32;

export interface BatchesRouteOptions {
  readonly kinds: EventKinds;
  readonly publisher: Publisher;
  readonly countsOf: (kind: EventKindName) => EventCounts;
  readonly guard: Guard;
  readonly wireOptions: (ageMsMax: number) => WireOptions;
  /** Aborted when the service stops. */
  readonly signal: AbortSignal;
}

/**
 * `POST /v1/batches?kind=<kind>`: NDJSON without a limit on its length, events of any age.
 *
 * Delivery: as for single events; the answer comes after the last line is kept or refused, and counts what happened.
 */
export function registerBatchesRoute(app: FastifyInstance, options: BatchesRouteOptions): void {
  const { kinds, publisher, countsOf, guard, signal } = options;
  const wireOptions = () => options.wireOptions(Number.POSITIVE_INFINITY);
  let streams = 0;
  app.route({
    method: 'POST',
    url: '/v1/batches',
    schema: batchesSchema(kinds),
    onRequest: (request, reply, done) => {
      guard(request, reply, kindOf(request, kinds).scope);
      if (!isNdjson(request)) throw notNdjson();
      done();
    },
    handler: async (request, reply) => {
      if (streams >= BATCH_STREAMS_MAX) throw tooManyStreams();
      streams += 1;
      try {
        const kind = kindOf(request, kinds);
        const counts = countsOf(kind.name);
        const traceparent = traceparentOf(request);
        const payment = paymentOf(request, signal);
        const sources = { kind, publisher, counts, wireOptions, traceparent, signal, payment };
        return sendStreamResult(request, reply, await takeEventStream(streamBody(request), sources), 200);
      } finally {
        streams -= 1;
      }
    },
  });
}

function kindOf(request: FastifyRequest, kinds: EventKinds): EventKind {
  const { kind = 'payments' } = request.query as { kind?: unknown };
  const name = EVENT_KINDS.find((known) => known === kind);
  if (name !== undefined) return kinds[name];
  const detail = `Unknown kind of event. Set kind to one of ${EVENT_KINDS.join(', ')}.`;
  throw new HttpProblem(problem(422, 'unknown-kind', 'Unknown kind', detail, { field: 'kind' }));
}

function notNdjson(): HttpProblem {
  const detail = 'Send Content-Type: application/x-ndjson, with one JSON object per line.';
  const extensions = { field: 'content-type' };
  return new HttpProblem(problem(415, 'unsupported-media-type', 'Unsupported media type', detail, extensions));
}

function tooManyStreams(): HttpProblem {
  const detail = `${BATCH_STREAMS_MAX} streams are being read already. Send this one again after Retry-After seconds.`;
  return new HttpProblem(problem(503, 'too-many-streams', 'Too many streams', detail));
}
