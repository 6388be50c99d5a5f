import type { FastifyReply } from 'fastify';
import type { TokenBucket } from '../access/token-bucket.ts';
import { HttpProblem, problem } from './problems.ts';

/** The limit of a caller during one request. */
export interface Allowance {
  /** Counts events beyond the first, which the request itself was counted as. */
  spend(events: number): void;
  /** How long reading has to pause until what was spent is earned again. For streams, which are slowed, not refused. */
  debtMs(): number;
}

/**
 * Admits a request as one event, and puts the caller's limit into the answer: `RateLimit` and `RateLimit-Policy` as the
 * IETF's draft-ietf-httpapi-ratelimit-headers has them since its revision 8, and the three fields of its revisions up
 * to 6, which are what clients know today.
 *
 * @throws {HttpProblem} 429 with Retry-After
 */
export function admit(bucket: TokenBucket, reply: FastifyReply, nowMs: () => number): Allowance {
  const left = bucket.left(nowMs());
  if (left < 1) throw tooMany(bucket);
  bucket.take(1);
  tell(bucket, reply, left - 1);
  return {
    spend(events) {
      bucket.take(events);
      tell(bucket, reply, bucket.left(nowMs()));
    },
    debtMs: () => (bucket.left(nowMs()) >= 0 ? 0 : bucket.msUntil(0)),
  };
}

function tell(bucket: TokenBucket, reply: FastifyReply, left: number): void {
  for (const [name, value] of fieldsOf(bucket, left)) reply.header(name, value);
}

function fieldsOf(bucket: TokenBucket, left: number): [string, string][] {
  const { burstEvents, eventsPerSecond } = bucket.limit;
  const remaining = String(Math.max(0, left));
  const resetSeconds = String(Math.ceil(bucket.msUntil(burstEvents) / 1_000));
  return [
    ['ratelimit-policy', `"events";q=${burstEvents};w=${Math.ceil(burstEvents / eventsPerSecond)}`],
    ['ratelimit', `"events";r=${remaining};t=${resetSeconds}`],
    ['ratelimit-limit', String(burstEvents)],
    ['ratelimit-remaining', remaining],
    ['ratelimit-reset', resetSeconds],
  ];
}

function tooMany(bucket: TokenBucket): HttpProblem {
  const { burstEvents, eventsPerSecond } = bucket.limit;
  const seconds = Math.max(1, Math.ceil(bucket.msUntil(1) / 1_000));
  const detail = `This key may send ${eventsPerSecond} events per second, ${burstEvents} at once. Send this request again after Retry-After seconds.`;
  const details = problem(429, 'rate-limit', 'Too many events', detail, {
    events_per_second: eventsPerSecond,
    burst_events: burstEvents,
  });
  return new HttpProblem(details, { 'retry-after': String(seconds), ...Object.fromEntries(fieldsOf(bucket, 0)) });
}
