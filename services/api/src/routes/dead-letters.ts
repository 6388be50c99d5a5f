import { PARAGRAPH_LENGTH_MAX } from '@millrace/contracts';
import type { DeadLetterFilter } from '@millrace/warehouse';
import { type Static, Type } from 'typebox';
import type { ApiInstance } from '../app.ts';
import { DeadLetterAnswer, deadLetterView } from '../http/dead-letter-view.ts';
import { formatCursor, listParameters, pageAnswer, pageOf, rangeOf } from '../http/paging.ts';
import { badField, notFound } from '../http/problems.ts';
import { notFoundAnswer, pageOfAnswers, problemAnswers } from '../http/schemas.ts';
import type { Reads } from '../reads.ts';
import { REDRIVE_STATUSES, type RedriveThroughIngest } from '../redrive/ingest-client.ts';
import { redriveLetters } from '../redrive/redrive.ts';

/** Letters that one redrive looks at. */
export const REDRIVE_MAX = 1_000;
const REDRIVE_DEFAULT = 100;
/** Bytes of a letter in a list: 6 KiB, in base64. */
export const LISTED_BASE64_MAX = 8_192;
/** `<topic>:<partition>:<offset>`, with the longest topic. */
export const LETTER_ID_LENGTH_MAX = 320;

export interface DeadLetterSources {
  readonly reads: Pick<Reads, 'listDeadLetters' | 'countDeadLetters' | 'readDeadLetters'>;
  readonly redrive: RedriveThroughIngest;
}

const text = (description: string, maxLength = PARAGRAPH_LENGTH_MAX) =>
  Type.String({ minLength: 1, maxLength, description });
const letterId = text('`<topic>:<partition>:<offset>`, or a UUID.', LETTER_ID_LENGTH_MAX);

/** Filters of lists and redrives. */
const filters = {
  id: Type.Optional(letterId),
  stage: Type.Optional(text('Where it was refused: ingest, payments, telemetry, customer, merchant, sink, ...')),
  reason: Type.Optional(text('Why: malformed-json, schema, invalid-event, ...')),
  origin: Type.Optional(Type.Enum(['kafka', 'mqtt', 'http'])),
  topic: Type.Optional(text('Kafka or MQTT topic that it came from.')),
  device_id: Type.Optional(text('The device; of a record of Kafka, its key.')),
  redriven: Type.Optional(
    Type.Boolean({ description: 'Whether it has been sent again to the stage that refused it.' }),
  ),
};
const { since, until, cursor } = listParameters;
const closed = { additionalProperties: false };

const RedriveBody = Type.Object(
  {
    filter: Type.Optional(Type.Object({ ...filters, since, until }, closed)),
    all: Type.Boolean({ default: false, description: 'Says that an empty filter is meant.' }),
    dry_run: Type.Boolean({ default: false, description: 'Checks everything, and sends nothing.' }),
    limit: Type.Integer({
      minimum: 1,
      maximum: REDRIVE_MAX,
      default: REDRIVE_DEFAULT,
      description: 'Letters that are looked at.',
    }),
    cursor,
  },
  closed,
);

/** Records and messages that were refused, and a way to send them again. */
export function registerDeadLetterRoutes(app: ApiInstance, { reads, redrive }: DeadLetterSources): void {
  app.get(
    '/v1/dead-letters',
    {
      schema: {
        operationId: 'list-dead-letters',
        tags: ['operations'],
        summary: 'Records and messages that were refused after they were accepted, newest first.',
        description:
          'A record that several stages have refused is one letter. Filters, `since` and `until` are of its failures: a letter is listed when one of them is so. Of long values the beginning is shown.',
        querystring: Type.Object({ ...filters, ...listParameters }, closed),
        response: { 200: pageOfAnswers(DeadLetterAnswer), ...problemAnswers },
      },
    },
    async ({ query }) => {
      const page = { ...pageOf(query), order: 'newest-first' as const };
      const positions = await reads.listDeadLetters(filterOf(query), page);
      const letters = await reads.readDeadLetters(
        positions.map(({ id }) => id),
        { base64LengthMax: LISTED_BASE64_MAX },
      );
      const { next_cursor } = pageAnswer(
        positions,
        query.limit,
        ({ id }) => id,
        (position) => position,
      );
      return { items: letters.map(deadLetterView), next_cursor };
    },
  );

  app.get(
    '/v1/dead-letters/:id',
    {
      schema: {
        operationId: 'get-dead-letter',
        tags: ['operations'],
        summary: 'One letter, with all of its bytes.',
        params: Type.Object({ id: letterId }),
        response: { 200: DeadLetterAnswer, ...problemAnswers, ...notFoundAnswer },
      },
    },
    async ({ params: { id } }) => {
      const [letter] = await reads.readDeadLetters([id]);
      if (letter === undefined) throw notFound('dead letter', id);
      return deadLetterView(letter);
    },
  );

  app.post(
    '/v1/dead-letters/redrive',
    {
      schema: {
        operationId: 'redrive-dead-letters',
        tags: ['operations'],
        summary: 'Send letters through ingest again, each once, oldest first.',
        description:
          'They go through the checks at which they came in. What is still wrong is `refused-again` and stays as it is. Without `redriven` and `id` in the filter, letters that were redriven already are left out. Ask again with `cursor` for those that remain; after 503 ask the same again: nothing is sent twice.',
        body: RedriveBody,
        response: { 200: RedriveAnswer, ...problemAnswers },
      },
    },
    async ({ body }) => {
      const { filter = {}, all, dry_run, limit } = body;
      const { redriven, ...named } = filter;
      if (!all && Object.keys(named).length === 0) {
        throw badField('filter', 'is empty; say which letters are meant, or set all to true');
      }
      const wanted = { ...filterOf(filter), redriven: redriven ?? (filter.id === undefined ? false : undefined) };
      const { after } = pageOf({ limit, ...(body.cursor !== undefined && { cursor: body.cursor }) });
      const order = { filter: wanted, dryRun: dry_run, limit, after };
      const { results, remaining, next } = await redriveLetters({ reads, redrive }, order);
      const countOf = (status: string) => results.filter((result) => result.status === status).length;
      return {
        dry_run,
        counts: Object.fromEntries(REDRIVE_STATUSES.map((status) => [status, countOf(status)])),
        results,
        remaining,
        next_cursor: next === undefined ? null : formatCursor(next),
      };
    },
  );
}

function filterOf(query: Static<Type.TObject<typeof filters>> & Parameters<typeof rangeOf>[0]): DeadLetterFilter {
  const { id, stage, reason, origin, topic, device_id, redriven } = query;
  return { id, stage, reason, origin, topic, device_id, redriven, ...rangeOf(query) };
}

const count = (description: string) => Type.Integer({ minimum: 0, description });
const RedriveAnswer = Type.Object({
  dry_run: Type.Boolean(),
  counts: Type.Object({
    redriven: count('Sent again.'),
    redrivable: count('Would be sent again; in a dry run only.'),
    'already-redriven': count('Sent again before.'),
    'refused-again': count('Still wrong.'),
    'not-redrivable': count('Cannot be sent again, whatever is mended.'),
  }),
  results: Type.Array(
    Type.Object({
      id: letterId,
      status: Type.Enum([...REDRIVE_STATUSES]),
      topic: Type.Optional(Type.String({ description: 'Where its events went.' })),
      event_ids: Type.Optional(Type.Array(Type.String())),
      redriven_at: Type.Optional(Type.Integer({ description: 'Epoch milliseconds; of `already-redriven`.' })),
      problems: Type.Optional(
        Type.Array(Type.Object({ field: Type.String(), code: Type.String(), message: Type.String() }), {
          description: 'Of `refused-again`.',
        }),
      ),
      code: Type.Optional(Type.String({ description: 'Of `not-redrivable`.' })),
      message: Type.Optional(Type.String()),
    }),
    { description: 'One for each letter, in the order in which they were sent.' },
  ),
  remaining: count('Letters like these that were not looked at yet.'),
  next_cursor: Type.Union([Type.String(), Type.Null()], { description: 'For `cursor` of the next call.' }),
});
