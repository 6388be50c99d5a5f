import multipart from '@fastify/multipart';
import type { WireOptions } from '@millrace/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { BatchStore } from '../batches/batch-store.ts';
import { EVENT_KINDS, type EventKind, type EventKindName, type EventKinds } from '../event-kinds.ts';
import type { EventCounts } from '../metrics.ts';
import type { Publisher } from '../publisher.ts';
import { type BatchFields, readBatchForm } from './batch-form.ts';
import { registerBatchProgressRoutes } from './batch-progress-route.ts';
import { readBatchRequest } from './batch-request.ts';
import { type BatchRunner, runBatch } from './batch-run.ts';
import { batchesSchema } from './batches-openapi.ts';
import { isForm, isNdjson } from './body.ts';
import { takeEventStream } from './event-stream.ts';
import type { Guard } from './guard.ts';
import { HttpProblem, problem } from './problems.ts';
import { sendStreamResult, streamBody } from './stream-answer.ts';
import { paymentOf } from './stream-pace.ts';
import { createStreamSlots } from './stream-slots.ts';
import { traceparentOf } from './trace.ts';

/** Streams and files that are read at the same time; each holds two chunks of events at most. */
export const BATCH_STREAMS_MAX = 32;
/** Parquet files among them, each of which holds a row group. */
export const PARQUET_FILES_MAX = 2;

export interface BatchesRouteOptions {
  readonly kinds: EventKinds;
  readonly publisher: Publisher;
  /** Not given: no batch can be resumed, and there is no `GET /v1/batches`. */
  readonly store: BatchStore | undefined;
  readonly countsOf: (kind: EventKindName) => EventCounts;
  readonly guard: Guard;
  readonly wireOptions: (ageMsMax: number) => WireOptions;
  readonly nowMs: () => number;
  /** Aborted when the service stops. */
  readonly signal: AbortSignal;
}

/**
 * `POST /v1/batches`: events of any age, as NDJSON or as a form with a file, without a limit on their number.
 *
 * Delivery: with a `batch_id` each row is kept once, whoever is killed and however often the batch is sent. Without one it
 * is as for single events. The answer comes after the last row is kept or refused, and counts what happened.
 */
export async function registerBatchesRoutes(app: FastifyInstance, options: BatchesRouteOptions): Promise<void> {
  const { kinds, guard, store } = options;
  if (store !== undefined) registerBatchProgressRoutes(app, { store, kinds, guard });
  // In a context of its own: other routes go on refusing forms.
  await app.register(async (scope) => {
    await scope.register(multipart);
    registerPost(scope, options);
  });
}

function registerPost(app: FastifyInstance, options: BatchesRouteOptions): void {
  const { kinds, publisher, countsOf, guard, signal } = options;
  const wireOptions = () => options.wireOptions(Number.POSITIVE_INFINITY);
  const slots = createStreamSlots(BATCH_STREAMS_MAX);
  const runner: BatchRunner = { ...options, wireOptions, parquetSlots: createStreamSlots(PARQUET_FILES_MAX) };

  async function takeStream(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { kind: _kind, ...fields } = queryOf(request);
    const kind = kindOf(request, kinds);
    if (fields.batch_id !== undefined || fields.dry_run !== undefined) {
      const batch = readBatchRequest({ ...fields, kind: kind.name, format: 'ndjson' }, NAMELESS);
      return runBatch(runner, batch, streamBody(request), { request, reply });
    }
    const sources = {
      ...{ kind, publisher, wireOptions, signal, counts: countsOf(kind.name) },
      traceparent: traceparentOf(request),
      payment: paymentOf(request, signal),
    };
    return sendStreamResult(request, reply, await takeEventStream(streamBody(request), sources), 200);
  }

  async function takeForm(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const form = await readBatchForm(request);
    const batch = readBatchRequest({ ...queryOf(request), ...form.fields }, form);
    // Only now it is known what the file is of.
    const scopes = [batch.kind, ...(batch.mapping?.also ?? []).map(({ kind }) => kind)].map(
      (name) => kinds[name].scope,
    );
    for (const scope of new Set(scopes)) guard(request, reply, scope);
    const answer = await runBatch(runner, batch, form.file, { request, reply });
    // A batch that was done before is answered without a look at the file.
    if (!form.file.readableEnded) return answer;
    const ignored = await form.ignoredParts();
    return ignored.length === 0 ? answer : { ...answer, ignored_parts: ignored };
  }

  app.route({
    method: 'POST',
    url: '/v1/batches',
    schema: batchesSchema(kinds),
    onRequest: (request, reply, done) => {
      queryOf(request);
      if (isForm(request)) {
        if (request.headers['content-encoding'] !== undefined) throw encodedForm();
      } else {
        guard(request, reply, kindOf(request, kinds).scope);
        if (!isNdjson(request)) throw unsupportedType();
      }
      done();
    },
    handler: (request, reply) => slots(() => (isForm(request) ? takeForm(request, reply) : takeStream(request, reply))),
  });
}

const NAMELESS = { fileName: undefined, contentType: undefined };

/** A misspelt `dry_run` that is passed over would be a batch that is kept. */
function queryOf({ query }: FastifyRequest): BatchFields {
  const given = Object.entries(query as Record<string, unknown>);
  const unknown = given.find(([name]) => !QUERY_NAMES.includes(name));
  if (unknown === undefined) return Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
  const detail = `There is no such parameter. Use ${QUERY_NAMES.join(', ')}.`;
  throw new HttpProblem(problem(422, 'unknown-parameter', 'Unknown parameter', detail, { field: unknown[0] }));
}

const QUERY_NAMES: readonly string[] = ['kind', 'batch_id', 'dry_run'];

function kindOf(request: FastifyRequest, kinds: EventKinds): EventKind {
  const { kind = 'payments' } = queryOf(request);
  const name = EVENT_KINDS.find((known) => known === kind);
  if (name !== undefined) return kinds[name];
  const detail = `Unknown kind of event. Set kind to one of ${EVENT_KINDS.join(', ')}.`;
  throw new HttpProblem(problem(422, 'unknown-kind', 'Unknown kind', detail, { field: 'kind' }));
}

function unsupportedType(): HttpProblem {
  const detail =
    'Send Content-Type: application/x-ndjson with one JSON object per line, or multipart/form-data with a file.';
  const extensions = { field: 'content-type' };
  return new HttpProblem(problem(415, 'unsupported-media-type', 'Unsupported media type', detail, extensions));
}

function encodedForm(): HttpProblem {
  const detail = 'A form is not decoded as a whole. Leave Content-Encoding out, and gzip the file in it.';
  const extensions = { field: 'content-encoding' };
  return new HttpProblem(problem(415, 'unsupported-encoding', 'Unsupported content encoding', detail, extensions));
}
