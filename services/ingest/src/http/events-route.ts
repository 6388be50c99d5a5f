import type { Problem, WireOptions } from '@millrace/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { EventKind } from '../event-kinds.ts';
import { checkEvent, publishEvents } from '../intake.ts';
import type { EventCounts } from '../metrics.ts';
import type { Publisher } from '../publisher.ts';
import { isNdjson } from './body.ts';
import { takeEventStream } from './event-stream.ts';
import type { Guard } from './guard.ts';
import { hasExtras, type PaymentExtras, refuseExtras, takeOnePayment } from './one-payment.ts';
import { eventsSchema } from './openapi.ts';
import { emptyBody, invalidEvent, type ProblemDetails, problem, sendProblem } from './problems.ts';
import { sendStreamResult, streamBody } from './stream-answer.ts';
import { paymentOf } from './stream-pace.ts';
import type { StreamSlots } from './stream-slots.ts';
import { traceparentOf } from './trace.ts';

export interface EventsRouteOptions {
  readonly kind: EventKind;
  readonly publisher: Publisher;
  readonly counts: EventCounts;
  readonly guard: Guard;
  readonly wireOptions: (ageMsMax: number) => WireOptions;
  /** Aborted when the service stops. */
  readonly signal: AbortSignal;
  readonly streamSlots: StreamSlots;
  /** What only a single payment may ask for; not given for other kinds. */
  readonly extras?: PaymentExtras;
}

/**
 * `POST /v1/<kind>`: one event, an array of events, or NDJSON.
 *
 * Delivery: 202 says that all in-sync replicas have every event; 207 says it of those marked `accepted`. After 503, or
 * no answer, the events may be in Kafka or not: the same ids are sent again, and the repeats are dropped further on.
 */
export function registerEventsRoute(app: FastifyInstance, options: EventsRouteOptions): void {
  const { kind, guard, extras } = options;
  app.route({
    method: 'POST',
    url: `/v1/${kind.name}`,
    schema: eventsSchema(kind),
    onRequest: (request, reply, done) => {
      guard(request, reply, kind.scope);
      if (hasExtras(request)) refuseExtras(request, extras);
      done();
    },
    // Not `async`: most requests bring one event, whose answer needs no promise.
    handler: (request, reply) => {
      if (isNdjson(request)) return takeStream(request, reply, options);
      // Fastify calls no parser for a request that announces no body at all.
      if (request.body === undefined) throw emptyBody();
      if (extras !== undefined && hasExtras(request)) {
        refuseExtras(request, extras);
        return takeOnePayment(request.body, request, reply, options, extras);
      }
      if (Array.isArray(request.body)) return takeArray(request.body, request, reply, options);
      takeOne(request.body, request, reply, options);
      return undefined;
    },
  });
}

async function takeStream(
  request: FastifyRequest,
  reply: FastifyReply,
  options: EventsRouteOptions,
): Promise<FastifyReply> {
  const { kind, publisher, counts, signal, streamSlots } = options;
  const wireOptions = () => options.wireOptions(kind.ageMsMax);
  const traceparent = traceparentOf(request);
  const payment = paymentOf(request, signal);
  const sources = { kind, publisher, counts, wireOptions, traceparent, signal, payment };
  const result = await streamSlots(() => takeEventStream(streamBody(request), sources));
  return sendStreamResult(request, reply, result, result.rejected === 0 ? 202 : result.accepted > 0 ? 207 : 422);
}

/** Answers when Kafka has the event. */
function takeOne(
  input: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  { kind, publisher, counts, wireOptions }: EventsRouteOptions,
): void {
  counts.received(1);
  const checked = checkEvent(kind, input, wireOptions(kind.ageMsMax));
  if (!checked.ok) {
    counts.refused(checked.problems[0]?.code);
    sendProblem(reply, invalidEvent(checked.problems));
    return;
  }
  const { event } = checked;
  const part = { contract: kind.contractOf(event), events: [event] };
  publisher.take([part], traceparentOf(request), (error) => {
    if (error !== undefined) {
      counts.notKept(1, error);
      reply.send(error);
      return;
    }
    counts.accepted(1);
    // Written by hand: names and ids are of an alphabet that needs no escaping (ID_ALPHABET).
    const body = `{"accepted":1,"${kind.idField}":"${kind.idOf(event)}"}`;
    reply.code(202).header('content-type', JSON_CONTENT_TYPE).send(body);
  });
}

const JSON_CONTENT_TYPE = 'application/json; charset=utf-8';

interface Item {
  readonly index: number;
  readonly status: 'accepted' | 'rejected';
  readonly problems?: readonly Problem[];
  /** The event's id, under the name that it has in this kind. */
  readonly [idField: string]: unknown;
}

async function takeArray(
  inputs: readonly unknown[],
  request: FastifyRequest,
  reply: FastifyReply,
  { kind, publisher, counts, wireOptions }: EventsRouteOptions,
): Promise<FastifyReply> {
  if (inputs.length === 0 || inputs.length > kind.arrayMax) return sendProblem(reply, wrongLength(inputs.length, kind));
  request.allowance?.spend(inputs.length - 1);
  counts.received(inputs.length);
  const options = wireOptions(kind.ageMsMax);
  const events: unknown[] = [];
  const items = inputs.map((input, index): Item => {
    const checked = checkEvent(kind, input, options);
    if (checked.ok) {
      events.push(checked.event);
      return { index, status: 'accepted', [kind.idField]: kind.idOf(checked.event) };
    }
    counts.refused(checked.problems[0]?.code);
    return { index, status: 'rejected', problems: checked.problems };
  });
  const accepted = events.length;
  const rejected = items.length - accepted;
  if (accepted === 0) {
    const detail = 'No event of the array is right. Correct what `items` names, and send them again.';
    return sendProblem(reply, problem(422, 'invalid-events', 'Invalid events', detail, { accepted, rejected, items }));
  }
  try {
    await publishEvents(publisher, kind, events, traceparentOf(request));
  } catch (error) {
    counts.notKept(accepted, error);
    throw error;
  }
  counts.accepted(accepted);
  return reply.code(rejected === 0 ? 202 : 207).send({ accepted, rejected, items });
}

function wrongLength(length: number, { arrayMax, name }: EventKind): ProblemDetails {
  const detail = `The array has ${length} events; send 1 to ${arrayMax}, or NDJSON to /v1/${name} or /v1/batches.`;
  return problem(422, 'array-length', 'Wrong number of events', detail, { field: 'body', limit: arrayMax });
}
