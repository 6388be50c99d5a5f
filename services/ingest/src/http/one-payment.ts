import { ID_ALPHABET, type Payment, type Problem, TRANSACTION_ID_LENGTH_MAX } from '@millrace/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DecisionWaits } from '../decisions/decision-waits.ts';
import type { PaymentKeys } from '../decisions/payment-keys.ts';
import { checkEvent } from '../intake.ts';
import { isNdjson } from './body.ts';
import type { EventsRouteOptions } from './events-route.ts';
import { HttpProblem, invalidEvent, type ProblemDetails, problem, sendProblem } from './problems.ts';
import { traceparentOf } from './trace.ts';

/** What a request for one payment may ask for beside that it is kept. */
export interface PaymentExtras {
  /** Not given: `?wait=decision` is refused. */
  readonly decisions: DecisionWaits | undefined;
  readonly keys: PaymentKeys;
}

/** Whether a request has an `Idempotency-Key`, or wants to `wait`: both are for one payment only. */
export function hasExtras(request: FastifyRequest): boolean {
  return request.headers['idempotency-key'] !== undefined || (request.query as Query).wait !== undefined;
}

/** Refuses extras on anything but JSON of one payment; the body is looked at where it was read. @throws {HttpProblem} */
export function refuseExtras(request: FastifyRequest, extras: PaymentExtras | undefined): void {
  if (extras === undefined || isNdjson(request) || Array.isArray(request.body)) throw forOnePayment(request);
}

/**
 * One payment, with an `Idempotency-Key`, or with `?wait=decision`, or both.
 *
 * Delivery: 200 and 202 both say that all in-sync replicas have the payment; 200 has its decision as well.
 */
export async function takeOnePayment(
  input: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  { kind, publisher, counts, wireOptions }: EventsRouteOptions,
  { decisions, keys }: PaymentExtras,
): Promise<FastifyReply> {
  const waitsIn = wantsDecision(request) ? offered(decisions) : undefined;
  const key = keyOf(request);
  counts.received(1);
  const refuse = (problems: readonly Problem[]) => {
    counts.refused(problems[0]?.code);
    return sendProblem(reply, invalidEvent(problems));
  };
  if (namesAnother(input, key)) return refuse([NAMES_TWO]);
  const checked = checkEvent(kind, named(input, key), wireOptions(kind.ageMsMax));
  if (!checked.ok) return refuse(checked.problems);

  const payment = checked.event as Payment;
  const contract = kind.contractOf(payment);
  if (key !== undefined && keys.claim(key, contract.encode(payment)) === 'other') {
    counts.refused('conflict');
    return sendProblem(reply, keyReused());
  }
  const keep = async () => {
    try {
      await publisher.publish(contract, [payment], traceparentOf(request));
    } catch (error) {
      counts.notKept(1, error);
      throw error;
    }
    counts.accepted(1);
  };
  const { transaction_id } = payment;
  if (waitsIn === undefined) {
    await keep();
    return reply.code(202).send({ accepted: 1, transaction_id });
  }
  const answer = await waitsIn.decide(payment, keep, (leave) => reply.raw.once('close', leave));
  if (answer !== undefined) return reply.code(200).type('application/json; charset=utf-8').send(answer);
  const decision_url = waitsIn.decisionUrl(transaction_id);
  return reply.code(202).header('location', decision_url).send({ accepted: 1, transaction_id, decision_url });
}

interface Query {
  readonly wait?: unknown;
}

function wantsDecision(request: FastifyRequest): boolean {
  const { wait } = request.query as Query;
  if (wait === undefined) return false;
  if (wait === 'decision') return true;
  const detail = 'Nothing but the decision can be waited for. Set wait to decision, or leave it out.';
  throw new HttpProblem(problem(422, 'unknown-wait', 'Unknown wait', detail, { field: 'wait' }));
}

function offered(decisions: DecisionWaits | undefined): DecisionWaits {
  if (decisions !== undefined) return decisions;
  const detail =
    'This ingest reads no decisions. Leave wait out, and ask the API for /v1/decisions/{transaction_id} after 202.';
  throw new HttpProblem(problem(422, 'wait-not-offered', 'Waiting is not offered', detail, { field: 'wait' }));
}

/**
 * The text of `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header), which is a structured field's string:
 * `"8e03978e"`. Most clients leave the quotes out, and that is understood, too.
 */
function keyOf(request: FastifyRequest): string | undefined {
  const { 'idempotency-key': header } = request.headers;
  if (header === undefined) return undefined;
  const key = typeof header === 'string' ? KEY.exec(header)?.groups : undefined;
  const text = key?.quoted ?? key?.bare;
  if (text !== undefined) return text;
  // Without the value: it could be anything, a card number among them.
  const detail = `Idempotency-Key must be 1 to ${TRANSACTION_ID_LENGTH_MAX} of A-Z a-z 0-9 . _ : -, as a transaction_id, with or without double quotes. A UUID is fine.`;
  throw new HttpProblem(
    problem(422, 'idempotency-key', 'Unusable Idempotency-Key', detail, { field: 'idempotency-key' }),
  );
}

const ID = `[${ID_ALPHABET}]{1,${TRANSACTION_ID_LENGTH_MAX}}`;
const KEY = new RegExp(`^(?:"(?<quoted>${ID})"|(?<bare>${ID}))$`);

/** The key stands in for a `transaction_id` that the body has not. */
function named(input: unknown, key: string | undefined): unknown {
  return key === undefined || !isObject(input) ? input : { ...input, transaction_id: key };
}

function namesAnother(input: unknown, key: string | undefined): boolean {
  return key !== undefined && isObject(input) && input.transaction_id !== undefined && input.transaction_id !== key;
}

function isObject(input: unknown): input is Readonly<Record<string, unknown>> {
  return typeof input === 'object' && input !== null && !Array.isArray(input);
}

const NAMES_TWO: Problem = {
  field: 'transaction_id',
  code: 'conflict',
  message: 'differs from Idempotency-Key, which is the id of the payment as well; send one of them, or both alike',
};

function keyReused(): ProblemDetails {
  const detail =
    'This Idempotency-Key came with another payment before. Send a payment of its own under a new key, or the first one unchanged.';
  return problem(422, 'idempotency-key-reused', 'Idempotency-Key used twice', detail, { field: 'idempotency-key' });
}

function forOnePayment(request: FastifyRequest): HttpProblem {
  if ((request.query as Query).wait !== undefined) {
    const detail =
      'wait is for one payment at /v1/payments. Send payments one by one, or leave wait out and ask the API for /v1/decisions/{transaction_id} of each.';
    return new HttpProblem(problem(422, 'one-payment', 'For one payment only', detail, { field: 'wait' }));
  }
  const detail =
    'Idempotency-Key is for one payment at /v1/payments. Leave it out: repeats are known by the ids that every event carries.';
  return new HttpProblem(problem(422, 'one-payment', 'For one payment only', detail, { field: 'idempotency-key' }));
}
