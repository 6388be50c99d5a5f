import type { FastifyInstance } from 'fastify';
import type { Guard } from '../http/guard.ts';
import { PROBLEM_RESPONSES, problemAnswer } from '../http/openapi.ts';
import { HttpProblem, problem } from '../http/problems.ts';
import type { IngestMetrics } from '../metrics.ts';
import { LETTERS_MAX, RedriveRequest, readRedriveRequest } from './letter.ts';
import type { Redriver } from './redriver.ts';

export interface RedriveRouteOptions {
  readonly redriver: Redriver;
  readonly guard: Guard;
  readonly metrics: Pick<IngestMetrics, 'redriven'>;
}

/**
 * `POST /v1/redrive`: dead letters, with their bytes, to be sent again. For the API, which knows which letters there are.
 *
 * Delivery: each letter once, whoever sends it and however often; see `createRedriver`. After 503, or no answer, the
 * same letters are sent again.
 */
export function registerRedriveRoute(app: FastifyInstance, { redriver, guard, metrics }: RedriveRouteOptions): void {
  app.route({
    method: 'POST',
    url: '/v1/redrive',
    schema: REDRIVE_SCHEMA,
    onRequest: (request, reply, done) => {
      guard(request, reply, 'redrive:write');
      done();
    },
    handler: async (request) => {
      const input = readRedriveRequest(request.body);
      if ('problems' in input) {
        const detail =
          'Send { "dry_run": false, "letters": [...] }, with the letters as GET /v1/dead-letters of the API tells them.';
        throw new HttpProblem(problem(422, 'invalid-redrive', 'Not a redrive', detail, { problems: input.problems }));
      }
      const { letters, dry_run = false } = input;
      const results = await (dry_run ? redriver.check(letters) : redriver.redrive(letters));
      if (!dry_run) for (const { status } of results) metrics.redriven.inc({ result: status });
      return { dry_run, results };
    },
  });
}

const text = { type: 'string' };
const REDRIVE_SCHEMA = {
  operationId: 'post-redrive',
  tags: ['events'],
  summary: `Send up to ${LETTERS_MAX} dead letters again, each once.`,
  description:
    'Each goes through the checks at which it came in the first time. What is still wrong is answered as `refused-again`, and stays the letter that it is. After 503 send the same letters again.',
  body: { content: { 'application/json': { schema: RedriveRequest } } },
  response: {
    200: {
      description: 'What became of each letter, in their order; in a dry run, what would.',
      type: 'object',
      properties: {
        dry_run: { type: 'boolean' },
        results: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              id: text,
              status: {
                type: 'string',
                enum: ['redriven', 'redrivable', 'already-redriven', 'refused-again', 'not-redrivable'],
              },
              topic: { ...text, description: 'Where its events went.' },
              event_ids: { type: 'array', items: text },
              redriven_at: { type: 'integer', description: 'Epoch ms.' },
              problems: {
                type: 'array',
                items: { type: 'object', properties: { field: text, code: text, message: text } },
              },
              code: { ...text, description: 'Why it cannot be redriven.' },
              message: text,
            },
          },
        },
      },
    },
    ...PROBLEM_RESPONSES,
    422: problemAnswer('The body is not a redrive; `problems` say where.'),
    503: problemAnswer('Kafka is away, or others redrive. Send the same letters again after Retry-After seconds.'),
  },
} as const;
