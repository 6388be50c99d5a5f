import { jsonSchemas } from '@millrace/contracts';
import { FILE_FORMATS } from '../batches/formats/open-file.ts';
import { MappingFile } from '../batches/mapping/mapping-file.ts';
import { EVENT_KINDS, type EventKinds } from '../event-kinds.ts';
import { NDJSON_BODY, PROBLEM_RESPONSES, problemAnswer, STREAM_COUNTS, TRACE_HEADER } from './openapi.ts';

const kind = { type: 'string', enum: [...EVENT_KINDS], default: 'payments' };
const batchId = {
  type: 'string',
  description:
    'Name of the batch. With it each row is kept once, however often and from wherever the batch is sent: what is settled is passed over.',
};
const dryRun = { type: 'boolean', default: false, description: 'Check everything, keep nothing.' };

const EXTRA_COUNTS = {
  batch_id: { type: 'string' },
  kind: { type: 'string' },
  format: { type: 'string', enum: [...FILE_FORMATS] },
  dry_run: { type: 'boolean' },
  done: { type: 'boolean', description: 'The batch was read to its end.' },
  skipped: { type: 'integer', description: 'Rows that the mapping leaves out.' },
  events: { type: 'integer', description: 'Events that the accepted rows became.' },
  resumed_after_line: { type: 'integer', description: 'Rows up to here were settled before.' },
  unused_columns: { type: 'array', items: { type: 'string' }, description: 'Columns that no rule looks at.' },
  ignored_parts: {
    type: 'array',
    items: { type: 'string' },
    description: 'Parts behind the file, which mean nothing.',
  },
};

/** Fastify's schema of `POST /v1/batches`. */
export function batchesSchema(kinds: EventKinds): object {
  return {
    operationId: 'post-batches',
    tags: ['events'],
    summary: 'Take a file or a stream of events or reference data of any age, of any length.',
    description: `NDJSON: one JSON object per line, as the schema of the kind says (${EVENT_KINDS.join(', ')}). A form: a file of CSV, NDJSON or Parquet (each also gzipped), and a mapping that says what its columns mean. Reading pauses while Kafka is slow. After 503 send the same again with the same \`batch_id\`, or, without one, go on with the line after \`last_line_settled\`.`,
    headers: TRACE_HEADER,
    querystring: {
      type: 'object',
      properties: { kind, batch_id: batchId, dry_run: dryRun },
      additionalProperties: false,
    },
    body: {
      content: {
        'application/x-ndjson': {
          schema: { ...NDJSON_BODY, 'x-line-schemas': Object.values(kinds).map(({ wireSchema }) => wireSchema) },
        },
        'multipart/form-data': {
          schema: {
            type: 'object',
            description: 'The file is the last part.',
            required: ['file'],
            properties: {
              kind,
              batch_id: batchId,
              dry_run: dryRun,
              format: { type: 'string', enum: [...FILE_FORMATS], description: 'Default: by name or content type.' },
              mapping: JSON.parse(JSON.stringify(MappingFile)),
              file: { type: 'string', format: 'binary' },
            },
          },
        },
      },
    },
    response: {
      200: {
        type: 'object',
        properties: { ...EXTRA_COUNTS, ...STREAM_COUNTS },
        description: 'The stream was read to its end; the counts say what became of it.',
      },
      ...PROBLEM_RESPONSES,
      409: problemAnswer('Another sender has taken over the batch, or it was begun with another kind or mapping.'),
      422: problemAnswer(
        'The kind is not known, the mapping does not fit, or the file cannot be read; `line` says where.',
      ),
    },
  };
}

const progress = () => {
  const { $schema: _schema, $id: _id, ...schema } = jsonSchemas()['batch-progress.v1'];
  return schema;
};

export function batchSchema(): object {
  return {
    operationId: 'get-batch',
    tags: ['events'],
    summary: 'How far a batch has come.',
    params: { type: 'object', properties: { batch_id: { type: 'string' } } },
    response: {
      200: { ...progress(), description: 'What is settled. Kept for 30 days after the last change.' },
      ...PROBLEM_RESPONSES,
      404: problemAnswer('Nothing of such a batch is settled.'),
    },
  };
}

export function batchListSchema(): object {
  return {
    operationId: 'get-batches',
    tags: ['events'],
    summary: 'The batches that changed last, the newest first.',
    response: {
      200: {
        type: 'object',
        properties: { batches: { type: 'array', items: { type: 'object', additionalProperties: true } } },
        description: 'As for one batch, without its problems.',
      },
      ...PROBLEM_RESPONSES,
    },
  };
}
