import { DECISIONS, ID_ALPHABET, SCORE_MAX, TRANSACTION_ID_LENGTH_MAX } from '@millrace/contracts';
import { EVENT_KINDS, type EventKind, type EventKinds } from '../event-kinds.ts';

/** Of the OpenAPI text. Checked against package.json by a test. */
export const API_VERSION = '0.1.0';

export const OPENAPI_INFO = {
  openapi: '3.1.0' as const,
  info: {
    title: 'Millrace ingest',
    version: API_VERSION,
    description:
      'Takes payments, telemetry, labels and reference data. A 2xx answer is given only after Kafka has the events on all in-sync replicas.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  tags: [{ name: 'events', description: 'Events and reference data.' }],
};

/** Fastify's schema of `POST /v1/<kind>`. Bodies are checked by the contracts, which report every fault at once. */
export function eventsSchema(kind: EventKind): object {
  const { name, wireSchema, arrayMax } = kind;
  const ofPayments = name === 'payments';
  return {
    operationId: `post-${name}`,
    tags: ['events'],
    summary: `Take ${name}: one, an array of up to ${arrayMax}, or NDJSON.`,
    description: `${REPEATS}${ofPayments ? ONE_PAYMENT : ''}`,
    headers: ofPayments ? PAYMENT_HEADERS : TRACE_HEADER,
    ...(ofPayments && { querystring: WAIT_QUERY }),
    body: {
      content: {
        'application/json': {
          schema: { anyOf: [wireSchema, { type: 'array', minItems: 1, maxItems: arrayMax, items: wireSchema }] },
        },
        'application/x-ndjson': { schema: NDJSON_BODY },
      },
    },
    response: {
      ...(ofPayments && { 200: DECIDED_ANSWER }),
      202: { ...answer(kind.idField, ofPayments ? DECISION_URL : {}), description: 'All events are kept.' },
      207: { ...answer(kind.idField), description: 'The events marked `accepted` are kept, the others are refused.' },
      ...PROBLEM_RESPONSES,
      422: { description: 'No event is right; `problems` or `items` name fields and remedies.' },
    },
  };
}

export function batchesSchema(kinds: EventKinds): object {
  return {
    operationId: 'post-batches',
    tags: ['events'],
    summary: 'Take a stream of events or reference data of any age, of any length.',
    description: `One JSON object per line, as the schema of the kind says (${EVENT_KINDS.join(', ')}). Reading pauses while Kafka is slow. After 503 go on with the line after \`last_line_settled\`.`,
    headers: TRACE_HEADER,
    querystring: {
      type: 'object',
      properties: { kind: { type: 'string', enum: [...EVENT_KINDS], default: 'payments' } },
    },
    body: {
      content: {
        'application/x-ndjson': {
          schema: { ...NDJSON_BODY, 'x-line-schemas': Object.values(kinds).map((kind) => kind.wireSchema) },
        },
      },
    },
    response: {
      200: { ...STREAM_ANSWER, description: 'The stream was read to its end; the counts say what became of it.' },
      ...PROBLEM_RESPONSES,
    },
  };
}

const REPEATS =
  'Sending the same event again is harmless: repeats are dropped further on. After 503, or without an answer, do so.';

const ONE_PAYMENT = `

One payment (no array, no NDJSON) may have an \`Idempotency-Key\`, and with \`?wait=decision\` the answer carries its decision: 200 when it comes within a second at most, else 202 with \`decision_url\` (also as \`Location\`), where the API has it as soon as it is made. Either way the payment is kept. A payment sent again gets the same decision.`;

const TRACE_HEADER = {
  type: 'object',
  properties: { traceparent: { type: 'string', description: 'W3C trace context; the events join this trace.' } },
};

const PAYMENT_HEADERS = {
  type: 'object',
  properties: {
    ...TRACE_HEADER.properties,
    'idempotency-key': {
      type: 'string',
      pattern: `^"?[${ID_ALPHABET}]{1,${TRANSACTION_ID_LENGTH_MAX}}"?$`,
      description:
        'Of one payment (draft-ietf-httpapi-idempotency-key-header): stands in for `transaction_id`, and is the same where both are given. With another payment than the last time it is answered 422, as far as this instance remembers.',
    },
  },
};

const WAIT_QUERY = {
  type: 'object',
  properties: {
    wait: { type: 'string', enum: ['decision'], description: 'Of one payment: answer with its decision.' },
  },
};

const DECISION_URL = {
  decision_url: { type: 'string', description: 'Where the API has the decision, as soon as it is made.' },
};

const DECIDED_ANSWER = {
  description: 'The payment is kept, and decided.',
  type: 'object',
  properties: {
    accepted: { type: 'integer' },
    transaction_id: { type: 'string' },
    decision: { type: 'string', enum: [...DECISIONS] },
    score: { type: 'number', minimum: 0, maximum: SCORE_MAX },
    rules: {
      type: 'array',
      description: 'The rules that fired.',
      items: {
        type: 'object',
        properties: {
          id: { type: 'string' },
          version: { type: 'integer' },
          reason: { type: 'string' },
          weight: { type: 'number' },
        },
      },
    },
    late: { type: 'boolean', description: 'The payment came after stream time minus grace.' },
    rules_hash: { type: 'string', description: 'Names the set of rules that decided.' },
    decided_at: { type: 'string', format: 'date-time' },
    trace_id: { type: 'string' },
    ...DECISION_URL,
  },
};

const NDJSON_BODY = { type: 'string', description: 'One JSON object per line, UTF-8.' };

const PROBLEM = {
  type: 'object',
  properties: {
    line: { type: 'integer' },
    field: { type: 'string' },
    code: { type: 'string' },
    message: { type: 'string' },
  },
};

const STREAM_COUNTS = {
  received: { type: 'integer', description: 'Lines that are not blank.' },
  accepted: { type: 'integer' },
  rejected: { type: 'integer' },
  problems: { type: 'array', items: PROBLEM, description: 'The first ones, with their line numbers.' },
  problems_omitted: { type: 'integer', description: 'Problems that are counted and not listed.' },
  last_line_settled: { type: 'integer', description: 'Everything up to this line is kept or refused.' },
};

const STREAM_ANSWER = { type: 'object', properties: STREAM_COUNTS };

function answer(idField: string, more: object = {}): object {
  return {
    type: 'object',
    properties: {
      ...STREAM_COUNTS,
      ...more,
      [idField]: { type: 'string', description: 'Of a single event.' },
      items: {
        type: 'array',
        description: 'Of an array, in its order.',
        items: {
          type: 'object',
          properties: {
            index: { type: 'integer' },
            status: { type: 'string', enum: ['accepted', 'rejected'] },
            [idField]: { type: 'string' },
            problems: { type: 'array', items: PROBLEM },
          },
        },
      },
    },
  };
}

/** Written as RFC 9457 problem details by the error handler, so they have a description and no serialiser. */
const PROBLEM_RESPONSES = {
  400: { description: 'The body is not JSON, or not what its headers say.' },
  401: { description: 'No valid API key.' },
  403: { description: 'The API key lacks the scope.' },
  413: { description: 'The body is too large.' },
  415: { description: 'Neither JSON nor NDJSON, or an encoding other than gzip.' },
  503: { description: 'Kafka is slow or away. Send the same events again after Retry-After seconds.' },
} as const;
