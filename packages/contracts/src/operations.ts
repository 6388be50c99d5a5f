import Type from 'typebox';
import * as field from './fields.ts';
import {
  ALERT_ID_LENGTH_MAX,
  BATCH_PROBLEMS_MAX,
  DEAD_LETTER_BASE64_LENGTH_MAX,
  NAME_LENGTH_MAX,
  PARAGRAPH_LENGTH_MAX,
  PROBLEM_FIELD_LENGTH_MAX,
  PROBLEM_MESSAGE_LENGTH_MAX,
  REDRIVE_EVENTS_MAX,
  REDRIVE_STAGES_MAX,
} from './limits.ts';

export const CASE_STATUSES = ['open', 'confirmed', 'dismissed'] as const;

/** `case.v1`: what an analyst does about an alert. */
export const FraudCase = Type.Object({
  case_id: field.id('The case; the key of the record.'),
  alert_id: Type.String({ pattern: field.ALERT_ID_PATTERN }),
  customer_id: Type.Optional(field.id('Whose payment it was.')),
  transaction_id: Type.Optional(field.transactionId('The payment.')),
  status: Type.Enum(CASE_STATUSES),
  assignee: Type.Optional(field.text('Who works on it.')),
  note: Type.Optional(field.text('What was found.', PARAGRAPH_LENGTH_MAX)),
  opened_at: field.timeMs('When it was opened.'),
  updated_at: field.timeMs('When it was last changed.'),
});
export type FraudCase = Type.Static<typeof FraudCase>;

const route = (description: string) => field.text(description, 1_024);

/** `dead-letter.v1`: a record that could not be processed, with its original bytes, so that it can be redriven. */
export const DeadLetter = Type.Object({
  id: Type.String({
    minLength: 1,
    maxLength: 320,
    description: '`<topic>:<partition>:<offset>`, or a UUID for what never was in Kafka; the key of the record.',
  }),
  origin: Type.Union([
    Type.Object({
      kind: Type.Literal('kafka'),
      topic: field.topic(),
      partition: field.partition(),
      offset: field.offset(),
    }),
    Type.Object({
      kind: Type.Literal('mqtt'),
      topic: route('MQTT topic.'),
      device_id: Type.Optional(field.text('Who published it, as far as known.')),
    }),
    Type.Object({ kind: Type.Literal('http'), path: route('Path of the request.') }),
  ]),
  stage: field.text('Where it failed: ingest, customer, merchant, sink, ...'),
  reason: field.text('Code of the failure.'),
  message: field.text('What went wrong, and the remedy.', PARAGRAPH_LENGTH_MAX),
  value_base64: Type.String({
    maxLength: DEAD_LETTER_BASE64_LENGTH_MAX,
    pattern: '^[A-Za-z0-9+/]*={0,2}$',
    description: 'The original bytes; empty for a record without a value.',
  }),
  key: Type.Optional(field.text('Key of the record.', 1_024)),
  headers: Type.Optional(
    field.map<string>(field.text('Value of the header.', PARAGRAPH_LENGTH_MAX), {
      names: field.ATTRIBUTE_NAME_PATTERN,
      max: 64,
      description: 'Headers of the record.',
    }),
  ),
  failed_at: field.timeMs('When it failed.'),
});
export type DeadLetter = Type.Static<typeof DeadLetter>;

/** `redrive.v1`: what became of a dead letter. Written in the same transaction as the events that were made of it. */
export const Redrive = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 320, description: 'Of the dead letter; the key of the record.' }),
  stages: Type.Array(field.text('A stage that had refused it.'), {
    minItems: 1,
    maxItems: REDRIVE_STAGES_MAX,
    description: 'All stages for which it has been redriven, by now.',
  }),
  topic: field.topic(),
  event_ids: Type.Array(Type.String({ maxLength: ALERT_ID_LENGTH_MAX }), {
    maxItems: REDRIVE_EVENTS_MAX,
    description: 'Ids of the events that it became.',
  }),
  redriven_at: field.timeMs('When it was sent again.'),
});
export type Redrive = Type.Static<typeof Redrive>;

const rows = (description: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: `${description} Rows.` });

/** `batch-progress.v1`: how far a batch has come. Written in the same transaction as the events that it counts. */
export const BatchProgress = Type.Object({
  batch_id: field.id('The batch; the key of the record.'),
  kind: field.name('What the batch is of: payments, labels, ...'),
  mapping_sha256: Type.Optional(
    Type.String({
      pattern: '^[0-9a-f]{64}$',
      description: 'Of the mapping, without which the rows mean something else.',
    }),
  ),
  last_line_settled: Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Every row that begins up to this line is kept, rejected or skipped. Parquet: rows are lines.',
  }),
  received: rows('All that are settled.'),
  accepted: rows('Kept, with every event that they became.'),
  rejected: rows('Refused.'),
  skipped: rows('Left out by the mapping.'),
  events: Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Records written; more than `accepted` where the mapping makes several of a row.',
  }),
  problems: Type.Array(
    Type.Object({
      line: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
      field: field.text('Path of the field.', PROBLEM_FIELD_LENGTH_MAX),
      code: Type.String({ maxLength: NAME_LENGTH_MAX }),
      message: field.text('What is wrong, and the remedy.', PROBLEM_MESSAGE_LENGTH_MAX),
    }),
    { maxItems: BATCH_PROBLEMS_MAX, description: 'The first ones.' },
  ),
  done: Type.Boolean({ description: 'The batch was read to its end.' }),
  started_at: field.timeMs('When its first row was taken.'),
  updated_at: field.timeMs('When this was written.'),
});
export type BatchProgress = Type.Static<typeof BatchProgress>;
