import { createHash } from 'node:crypto';
import { ID_ALPHABET, ID_LENGTH_MAX } from '@millrace/contracts';
import { FILE_FORMATS, type FileFormat, formatOf } from '../batches/formats/open-file.ts';
import { MappingError, type MappingFile, readMapping } from '../batches/mapping/mapping-file.ts';
import { EVENT_KINDS, type EventKindName } from '../event-kinds.ts';
import type { BatchFields } from './batch-form.ts';
import { HttpProblem, problem } from './problems.ts';

/** What a sender wants to be done with a file. */
export interface BatchRequest {
  readonly kind: EventKindName;
  readonly mapping: MappingFile | undefined;
  readonly mappingSha256: string | undefined;
  /** Not given: the batch cannot be resumed. */
  readonly batchId: string | undefined;
  readonly dryRun: boolean;
  readonly format: FileFormat;
}

const BATCH_ID = new RegExp(`^[${ID_ALPHABET}]{1,${ID_LENGTH_MAX}}$`);

/** @throws {HttpProblem} for the first field that is wrong, for a mapping with all its faults */
export function readBatchRequest(
  fields: BatchFields,
  file: { readonly fileName: string | undefined; readonly contentType: string | undefined },
): BatchRequest {
  const mapping = fields.mapping === undefined ? undefined : mappingOf(fields.mapping);
  const kind = fields.kind ?? mapping?.kind ?? 'payments';
  const known = EVENT_KINDS.find((name) => name === kind);
  if (known === undefined) {
    throw wrong('unknown-kind', 'kind', `Unknown kind of event. Set kind to one of ${EVENT_KINDS.join(', ')}.`);
  }
  if (mapping?.kind !== undefined && mapping.kind !== known) {
    throw wrong('unknown-kind', 'kind', `The mapping is for ${mapping.kind}. Leave kind out, or send another mapping.`);
  }
  const batchId = fields.batch_id;
  if (batchId !== undefined && !BATCH_ID.test(batchId)) {
    const detail = `A batch_id has 1 to ${ID_LENGTH_MAX} characters of ${ID_ALPHABET}. Choose another.`;
    throw wrong('wrong-batch-id', 'batch_id', detail);
  }
  return {
    ...{ kind: known, mapping, batchId },
    mappingSha256: fields.mapping === undefined ? undefined : sha256(fields.mapping),
    dryRun: switchOf(fields.dry_run),
    format: wantedFormat(fields.format, file),
  };
}

export function invalidMapping(error: MappingError): HttpProblem {
  const detail = 'The mapping does not fit. Correct what `problems` names, and send the file again.';
  const problems = error.faults.map(({ field, message }) => ({ field, code: 'mapping', message }));
  return new HttpProblem(problem(422, 'invalid-mapping', 'Invalid mapping', detail, { field: 'mapping', problems }));
}

function mappingOf(text: string): MappingFile {
  try {
    return readMapping(text);
  } catch (error) {
    if (error instanceof MappingError) throw invalidMapping(error);
    throw error;
  }
}

function switchOf(text = 'false'): boolean {
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw wrong('wrong-form', 'dry_run', 'dry_run is true or false.');
}

function wantedFormat(
  wanted: string | undefined,
  { fileName, contentType }: { readonly fileName: string | undefined; readonly contentType: string | undefined },
): FileFormat {
  const format =
    wanted === undefined || wanted === ''
      ? formatOf(fileName, contentType)
      : FILE_FORMATS.find((known) => known === wanted.toLowerCase());
  if (format !== undefined) return format;
  const detail = `Name the file .csv, .ndjson or .parquet (and .gz), give it the content type, or set format to one of ${FILE_FORMATS.join(', ')}.`;
  throw new HttpProblem(problem(415, 'unsupported-file', 'Unknown format of the file', detail, { field: 'format' }));
}

function wrong(name: string, field: string, detail: string): HttpProblem {
  return new HttpProblem(problem(422, name, 'Wrong batch', detail, { field }));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
