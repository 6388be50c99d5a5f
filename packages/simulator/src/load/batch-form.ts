import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { SimulatorError } from '../errors.ts';

export interface InputFile {
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
}

/** The small parts of a form, in front of the file. */
export type FormFields = Readonly<Record<string, string | undefined>>;

export interface Form {
  readonly headers: Readonly<Record<string, string>>;
  /** To be read once. */
  readonly body: AsyncIterable<Buffer>;
}

const READ_BYTES = 256 * 1024;

/** @throws {SimulatorError} `usage` when there is no such file */
export async function inputFile(path: string): Promise<InputFile> {
  try {
    const stats = await stat(path);
    if (stats.isFile()) return { path, name: basename(path), bytes: stats.size };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? 'There is no such file' : 'The file cannot be read';
    throw new SimulatorError('usage', `${problem}: ${path}`, { cause });
  }
  throw new SimulatorError('usage', `${path} is not a file.`);
}

/**
 * A name for what is to be loaded: the same file with the same mapping as the same kind is the same batch, from whatever
 * folder it comes. Reads the file once.
 */
export async function batchIdOf(file: InputFile, fields: FormFields): Promise<string> {
  const hash = createHash('sha256');
  const { kind = '', mapping = '' } = fields;
  hash.update(JSON.stringify([file.name, file.bytes, kind, mapping]));
  for await (const chunk of createReadStream(file.path, { highWaterMark: READ_BYTES })) hash.update(chunk as Buffer);
  return `load-${hash.digest('hex').slice(0, 40)}`;
}

/** A form with a file (RFC 7578), which is read while it is sent. */
export function batchForm(file: InputFile, fields: FormFields, onSent: (bytes: number) => void): Form {
  const boundary = `millrace-${randomUUID()}`;
  const part = (disposition: string, type: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\nContent-Type: ${type}\r\n\r\n`;
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  const head = Buffer.from(
    given.map(([name, value]) => `${part(`name="${name}"`, 'text/plain; charset=utf-8')}${value}\r\n`).join('') +
      part(`name="file"; filename="${quotable(file.name)}"`, 'application/octet-stream'),
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  return {
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(head.length + file.bytes + tail.length),
    },
    body: bodyOf(head, file, tail, onSent),
  };
}

async function* bodyOf(
  head: Buffer,
  file: InputFile,
  tail: Buffer,
  onSent: (bytes: number) => void,
): AsyncGenerator<Buffer, void, void> {
  yield head;
  let sent = 0;
  for await (const chunk of createReadStream(file.path, { highWaterMark: READ_BYTES })) {
    const bytes = chunk as Buffer;
    sent += bytes.length;
    // It was named by what it held; rows that came since are for the next time.
    if (sent > file.bytes) throw new SimulatorError('usage', `${file.path} has grown while it was read. Start again.`);
    yield bytes;
    onSent(sent);
  }
  if (sent < file.bytes) throw new SimulatorError('usage', `${file.path} has become shorter. Start again.`);
  yield tail;
}

/** As browsers write it (WHATWG). */
function quotable(name: string): string {
  return name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}
