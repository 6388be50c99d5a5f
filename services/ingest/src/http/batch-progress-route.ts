import type { BatchProgress } from '@millrace/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { BatchStore } from '../batches/batch-store.ts';
import { EVENT_KINDS, type EventKinds, type Scope } from '../event-kinds.ts';
import { batchListSchema, batchSchema } from './batches-openapi.ts';
import type { Guard } from './guard.ts';
import { HttpProblem, problem } from './problems.ts';

/** Batches in one answer. */
export const LISTED_BATCHES_MAX = 100;

export interface BatchProgressOptions {
  readonly store: BatchStore;
  readonly kinds: EventKinds;
  readonly guard: Guard;
}

/** `GET /v1/batches/{batch_id}` and `GET /v1/batches`: how far batches have come, as far as it is committed. */
export function registerBatchProgressRoutes(app: FastifyInstance, { store, kinds, guard }: BatchProgressOptions): void {
  app.get('/v1/batches/:batch_id', { schema: batchSchema() }, async (request, reply) => {
    const scopes = scopesOf(request, reply, guard, kinds);
    const { batch_id: batchId } = request.params as { batch_id: string };
    const progress = await store.progressOf(batchId);
    if (progress === undefined || !maySee(progress, scopes, kinds)) throw noSuchBatch();
    return progress;
  });
  app.get('/v1/batches', { schema: batchListSchema() }, async (request, reply) => {
    const scopes = scopesOf(request, reply, guard, kinds);
    const seen = (await store.recent()).filter((progress) => maySee(progress, scopes, kinds));
    return { batches: seen.slice(0, LISTED_BATCHES_MAX).map(({ problems: _problems, ...batch }) => batch) };
  });
}

/** What the caller may write is what it may see. @throws {HttpProblem} 401, or 403 for who may write nothing */
function scopesOf(request: FastifyRequest, reply: FastifyReply, guard: Guard, kinds: EventKinds): ReadonlySet<Scope> {
  const wanted = new Set(EVENT_KINDS.map((name) => kinds[name].scope));
  const scopes = new Set<Scope>();
  let refusal: unknown;
  for (const scope of wanted) {
    try {
      guard(request, reply, scope);
      scopes.add(scope);
    } catch (error) {
      if (!(error instanceof HttpProblem) || error.statusCode !== 403) throw error;
      refusal = error;
    }
  }
  if (scopes.size === 0) throw refusal;
  return scopes;
}

function maySee({ kind }: BatchProgress, scopes: ReadonlySet<Scope>, kinds: EventKinds): boolean {
  const name = EVENT_KINDS.find((known) => known === kind);
  return name !== undefined && scopes.has(kinds[name].scope);
}

function noSuchBatch(): HttpProblem {
  const detail = 'No batch with this batch_id has settled anything yet. GET /v1/batches lists the recent ones.';
  return new HttpProblem(problem(404, 'no-such-batch', 'No such batch', detail, { field: 'batch_id' }));
}
