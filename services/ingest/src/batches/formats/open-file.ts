import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type CsvFormat, openCsv } from './csv-rows.ts';
import { openNdjson } from './ndjson-rows.ts';
import { openParquet } from './parquet-rows.ts';
import { FileFault, type RowSource } from './rows.ts';
import { spool } from './spool.ts';

export const FILE_FORMATS = ['csv', 'ndjson', 'parquet'] as const;
export type FileFormat = (typeof FILE_FORMATS)[number];

export interface OpenFile {
  readonly source: RowSource;
  /** Always to be called; deletes what was written to disk. */
  close(): Promise<void>;
}

/** The format by what the name ends in, `.gz` apart, else by the content type; undefined when neither tells. */
export function formatOf(fileName: string | undefined, contentType: string | undefined): FileFormat | undefined {
  const extension = /\.([a-z0-9]+)$/i.exec((fileName ?? '').replace(/\.gz$/i, ''))?.[1]?.toLowerCase() ?? '';
  const type = (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  return BY_EXTENSION[extension] ?? BY_TYPE[type];
}

const BY_EXTENSION: Readonly<Record<string, FileFormat>> = {
  csv: 'csv',
  tsv: 'csv',
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  parquet: 'parquet',
  pq: 'parquet',
};
const BY_TYPE: Readonly<Record<string, FileFormat>> = {
  'text/csv': 'csv',
  'text/tab-separated-values': 'csv',
  'application/x-ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'application/vnd.apache.parquet': 'parquet',
};

/**
 * Reads the beginning of a file, and gives its rows. A file that begins as gzip does is inflated while it is read.
 * CSV and NDJSON are streamed; Parquet is written to a temporary file first.
 *
 * @throws {FileFault}
 */
export async function openFile(
  bytes: AsyncIterable<Buffer>,
  format: FileFormat,
  csv: CsvFormat = {},
): Promise<OpenFile> {
  const iterator = bytes[Symbol.asyncIterator]();
  const streams: Readable[] = [];
  /** Whoever gives the bytes is told that no more are wanted; it may be waiting for some itself, and is not waited for. */
  const stop = () => {
    for (const stream of streams) stream.destroy();
    Promise.resolve(iterator.return?.()).catch(() => undefined); // a failure of what nobody reads any more
  };
  try {
    const inflated = await inflate(iterator, streams);
    if (format === 'parquet') return await openSpooled(inflated, stop);
    const source = format === 'csv' ? await openCsv(inflated, csv) : openNdjson(inflated);
    return { source: { ...source, rows: withGzipFaults(source.rows) }, close: async () => stop() };
  } catch (error) {
    stop();
    throw asGzipFault(error);
  }
}

async function openSpooled(bytes: Readable, stop: () => void): Promise<OpenFile> {
  const spooled = await spool(bytes);
  const close = async () => {
    stop();
    await spooled.close();
  };
  try {
    return { source: await openParquet(spooled.handle, spooled.bytes), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The bytes themselves, or what they inflate to. */
async function inflate(iterator: AsyncIterator<Buffer>, streams: Readable[]): Promise<Readable> {
  const parts: Buffer[] = [];
  let length = 0;
  while (length < 2) {
    const { value, done } = await iterator.next();
    if (done === true) break;
    parts.push(value);
    length += value.length;
  }
  const head = Buffer.concat(parts);
  const all = Readable.from(joined(head, iterator), { objectMode: false });
  // What fails after it was stopped concerns nobody; until then whoever reads it hears of it, too.
  all.on('error', () => undefined);
  streams.push(all);
  if (head[0] !== 0x1f || head[1] !== 0x8b) return all;
  const gunzip = createGunzip({ chunkSize: 64 * 1024 });
  all.once('error', (error) => gunzip.destroy(error));
  gunzip.on('error', () => undefined);
  streams.push(gunzip);
  return all.pipe(gunzip);
}

async function* joined(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer, void, void> {
  if (head.length > 0) yield head;
  for (;;) {
    const { value, done } = await rest.next();
    if (done === true) return;
    yield value;
  }
}

async function* withGzipFaults<T>(rows: AsyncIterable<T>): AsyncGenerator<T, void, void> {
  try {
    yield* rows;
  } catch (cause) {
    throw asGzipFault(cause);
  }
}

function asGzipFault(cause: unknown): unknown {
  const code = (cause as NodeJS.ErrnoException)?.code ?? '';
  if (!code.startsWith('Z_')) return cause;
  return new FileFault('malformed-file', 'The file is not a complete gzip file. Send it again.', { cause });
}
