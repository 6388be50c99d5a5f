import { DECISIONS, ID_ALPHABET, SCORE_MAX, TRANSACTION_ID_LENGTH_MAX } from '@millrace/contracts';
import type { EventKind } from '../event-kinds.ts';

/** Of the OpenAPI text. Checked against package.json by a test. */
export const API_VERSION = '0.1.0';

/** What is said of the API as a whole. With `access` every operation needs a key, or a client certificate. */
export function openapiInfo({ access }: { readonly access: boolean }) {
  return {
    openapi: '3.1.0' as const,
    info: {
      title: 'Millrace ingest',
      version: API_VERSION,
      description:
        'Takes payments, telemetry, labels and reference data. A 2xx answer is given only after Kafka has the events on all in-sync replicas.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    tags: [{ name: 'events', description: 'Events and reference data.' }],
    ...(access && {
      components: { securitySchemes: SECURITY_SCHEMES },
      security: Object.keys(SECURITY_SCHEMES).map((scheme) => ({ [scheme]: [] })),
    }),
  };
}

const SECURITY_SCHEMES = {
  bearer: { type: 'http' as const, scheme: 'bearer', description: 'An API key.' },
  apiKey: { type: 'apiKey' as const, in: 'header' as const, name: 'X-Api-Key' },
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
      422: problemAnswer('No event is right; `problems` or `items` name fields and remedies.'),
    },
  };
}

const REPEATS =
  'Sending the same event again is harmless: repeats are dropped further on. After 503, or without an answer, do so.';

const ONE_PAYMENT = `

One payment (no array, no NDJSON) may have an \`Idempotency-Key\`, and with \`?wait=decision\` the answer carries its decision: 200 when it comes within a second at most, else 202 with \`decision_url\` (also as \`Location\`), where the API has it as soon as it is made. Either way the payment is kept. A payment sent again gets the same decision.`;

export const TRACE_HEADER = {
  type: 'object',
  properties: { traceparent: { type: 'string', description: 'W3C trace context; the events join this trace.' } },
};

const TRANSACTION_ID = `[${ID_ALPHABET}]{1,${TRANSACTION_ID_LENGTH_MAX}}`;

const PAYMENT_HEADERS = {
  type: 'object',
  properties: {
    ...TRACE_HEADER.properties,
    'idempotency-key': {
      type: 'string',
      pattern: `^(?:"${TRANSACTION_ID}"|${TRANSACTION_ID})$`,
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

export const NDJSON_BODY = { type: 'string', description: 'One JSON object per line, UTF-8.' };

const PROBLEM = {
  type: 'object',
  properties: {
    line: { type: 'integer' },
    field: { type: 'string' },
    code: { type: 'string' },
    message: { type: 'string' },
  },
};

export const STREAM_COUNTS = {
  received: { type: 'integer', description: 'Lines that are not blank.' },
  accepted: { type: 'integer' },
  rejected: { type: 'integer' },
  problems: { type: 'array', items: PROBLEM, description: 'The first ones, with their line numbers.' },
  problems_omitted: { type: 'integer', description: 'Problems that are counted and not listed.' },
  last_line_settled: { type: 'integer', description: 'Everything up to this line is kept or refused.' },
};

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

const PROBLEM_DETAILS = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string', description: 'Names the kind of problem; for programs.' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What to do about it; for people.' },
    field: { type: 'string' },
    problems: { type: 'array', items: PROBLEM, description: 'What is wrong with which field of the event.' },
  },
};

/** RFC 9457 problem details, which the error handler writes. */
export function problemAnswer(description: string, headers?: object): object {
  return {
    description,
    ...(headers && { headers }),
    content: { 'application/problem+json': { schema: PROBLEM_DETAILS } },
  };
}

const RETRY_AFTER = { 'Retry-After': { type: 'integer', description: 'Seconds to wait before the next attempt.' } };

export const PROBLEM_RESPONSES = {
  400: problemAnswer('The body is not JSON in UTF-8, or not what its headers say.'),
  401: problemAnswer('No valid API key.'),
  403: problemAnswer('The API key lacks the scope.'),
  408: problemAnswer('The body came too slowly.'),
  413: problemAnswer('The body is too large.'),
  415: problemAnswer('Neither JSON nor NDJSON, or an encoding other than gzip.'),
  429: problemAnswer('The API key has sent more events than it may.', RETRY_AFTER),
  431: problemAnswer('The headers are too large.'),
  503: problemAnswer('Kafka is slow or away. Send the same events again after Retry-After seconds.', RETRY_AFTER),
} as const;
