import type { Readable } from 'node:stream';
import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { MAPPING_BYTES_MAX } from '../batches/mapping/mapping-file.ts';
import { HttpProblem, problem } from './problems.ts';

/** The parts in front of the file, all of which are optional. */
export const BATCH_FIELDS = ['kind', 'batch_id', 'dry_run', 'format', 'mapping'] as const;
export type BatchFields = Partial<Record<(typeof BATCH_FIELDS)[number], string>>;

export interface BatchForm {
  readonly fields: BatchFields;
  readonly fileName: string | undefined;
  readonly contentType: string;
  readonly file: Readable;
  /** Reads on, behind the file; names of parts that came too late to mean anything. */
  readonly ignoredParts: () => Promise<string[]>;
}

const LIMITS = {
  fieldNameSize: 64,
  fieldSize: MAPPING_BYTES_MAX,
  fields: 2 * BATCH_FIELDS.length,
  // A mapping may come as a file, too.
  files: 2,
  parts: 2 * BATCH_FIELDS.length + 2,
  headerPairs: 32,
  fileSize: Number.POSITIVE_INFINITY,
};
/** The parts in front of the file are small, and must be there within this time. */
const FIELDS_MS_MAX = 20_000;

/**
 * Reads a form up to its file, which is left to be read.
 * @throws {HttpProblem} for a form without a file, with unknown parts, or one that comes too slowly
 */
export async function readBatchForm(request: FastifyRequest): Promise<BatchForm> {
  const parts = request.parts({ limits: LIMITS });
  const fields: BatchFields = {};
  const timer = setTimeout(() => request.raw.destroy(), FIELDS_MS_MAX);
  try {
    for (;;) {
      const { value: part, done } = await parts.next();
      if (done === true) throw wrongForm('file', 'The form has no file. Send it as the last part, named "file".');
      if (part.type === 'file' && part.fieldname === 'file') {
        const { filename, mimetype, file } = part;
        return {
          ...{ fields, file, fileName: filename === '' ? undefined : filename, contentType: mimetype },
          ignoredParts: () => restOf(parts),
        };
      }
      const name = BATCH_FIELDS.find((known) => known === part.fieldname);
      if (name === undefined) throw unknownPart();
      fields[name] = part.type === 'file' ? await textOf(part) : textOfValue(name, part);
    }
  } catch (error) {
    // The parser of forms throws plain errors at what it cannot read; those of Fastify have a status.
    throw error instanceof Error && !('statusCode' in error) ? malformedForm() : error;
  } finally {
    clearTimeout(timer);
  }
}

function textOfValue(name: string, { value, valueTruncated }: { value: unknown; valueTruncated: boolean }): string {
  if (valueTruncated) throw tooLarge(name);
  // A part of the type application/json comes parsed.
  return typeof value === 'string' ? value : JSON.stringify(value);
}

async function textOf({ fieldname, file }: MultipartFile): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of file.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > MAPPING_BYTES_MAX) throw tooLarge(fieldname);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

async function restOf(parts: AsyncIterable<{ readonly fieldname: string }>): Promise<string[]> {
  const names: string[] = [];
  for await (const part of parts) {
    names.push(part.fieldname);
    const { file } = part as { file?: Readable };
    file?.resume();
  }
  return names;
}

function unknownPart(): HttpProblem {
  return wrongForm('body', `The form has an unknown part. Known are ${BATCH_FIELDS.join(', ')}, and then file.`);
}

function tooLarge(field: string): HttpProblem {
  const detail = `The part ${field} is over ${MAPPING_BYTES_MAX} bytes. Make it shorter.`;
  return new HttpProblem(problem(413, 'part-too-large', 'Part too large', detail, { field }));
}

function malformedForm(): HttpProblem {
  const detail = 'The form cannot be read. Send multipart/form-data with its boundary, as RFC 7578 says.';
  return new HttpProblem(problem(400, 'malformed-form', 'Malformed form', detail, { field: 'body' }));
}

function wrongForm(field: string, detail: string): HttpProblem {
  return new HttpProblem(problem(422, 'wrong-form', 'Wrong form', detail, { field }));
}
