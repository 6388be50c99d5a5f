import { parseTraceparent } from '@millrace/observability';
import type { FastifyRequest } from 'fastify';

/** The caller's `traceparent` where it sent a valid one: its events become children of that span. */
export function traceparentOf(request: FastifyRequest): string | undefined {
  const { traceparent } = request.headers;
  if (typeof traceparent !== 'string') return undefined;
  return parseTraceparent(traceparent) === undefined ? undefined : traceparent;
}
