import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { ClickHouseException } from './exception.ts';
import { PARAMETER_PREFIX } from './request.ts';

/**
 * Of one request, unpacked. An INSERT is copied once more by the engine's binding, so several at this size at the same
 * time are as much as a laptop should be asked for.
 */
export const BODY_BYTES_MAX = 128 * 1024 * 1024;

/** More than a query needs. What is smaller is not counted. */
const LARGE_BODY_BYTES = 256 * 1024;

/** Whether the body counts among the large ones; one of unknown length does. */
export function isLargeBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': transfer, 'content-encoding': encoding } = request.headers;
  return transfer !== undefined || encoding !== undefined || Number(length ?? 0) > LARGE_BODY_BYTES;
}

/**
 * The whole body, unpacked by its Content-Encoding (gzip, deflate, br, zstd).
 *
 * @throws ClickHouseException `QUERY_IS_TOO_LARGE`, `INCORRECT_DATA` for a broken packing, `NOT_IMPLEMENTED` for another
 */
export async function readBody(request: IncomingMessage, bytesMax = BODY_BYTES_MAX): Promise<Buffer> {
  const encoding = request.headers['content-encoding']?.toLowerCase();
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > bytesMax) throw tooLarge(bytesMax);
  if (encoding === undefined || encoding === 'identity' || encoding === '') return collect(request, length, bytesMax);
  const createUnpack = UNPACKERS.get(encoding);
  if (createUnpack === undefined) {
    throw new ClickHouseException('NOT_IMPLEMENTED', `Content-Encoding ${encoding}: send ${[...UNPACKERS.keys()]}`);
  }
  const unpack = createUnpack();
  request.once('error', (error) => unpack.destroy(error));
  try {
    return await collect(request.pipe(unpack), 0, bytesMax);
  } catch (error) {
    if (error instanceof ClickHouseException) throw error;
    throw new ClickHouseException('INCORRECT_DATA', `The body is no ${encoding}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

const UNPACKERS: ReadonlyMap<string, () => Readable & NodeJS.WritableStream> = new Map([
  ['gzip', () => createGunzip()],
  ['deflate', () => createInflate()],
  ['br', () => createBrotliDecompress()],
  ['zstd', () => createZstdDecompress()],
]);

/**
 * Gives the memory of a body back at once. The collector does not hurry with memory that is not its own, and bodies of
 * 64 MB a few times a second are hundreds of megabytes by then. The body cannot be read any more.
 */
export function releaseBody(body: Buffer): void {
  const { buffer } = body;
  // A small buffer is a slice of one that many share.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === body.byteLength) buffer.transfer(0);
}

/** With the length known, the chunks go straight to their place: one copy of a large body in memory instead of two. */
async function collect(source: Readable, length: number, bytesMax: number): Promise<Buffer> {
  const whole = Buffer.allocUnsafeSlow(length);
  const rest: Buffer[] = [];
  let bytes = 0;
  // A body that is over the limit is read to its end by whoever answers: the source must outlive this loop.
  for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    if (bytes <= length) chunk.copy(whole, bytes - chunk.length);
    else rest.push(chunk);
  }
  return rest.length === 0 ? whole.subarray(0, bytes) : Buffer.concat([whole, ...rest]);
}

function tooLarge(bytesMax: number): ClickHouseException {
  return new ClickHouseException(
    'QUERY_IS_TOO_LARGE',
    `The body is larger than ${bytesMax / 1024 / 1024} MiB. Send the rows in several INSERTs`,
  );
}

/** What a form body holds: the query, and parameters that would not fit a URL. */
export interface FormBody {
  readonly query: string | undefined;
  readonly parameters: ReadonlyMap<string, string>;
}

/**
 * Reads a `multipart/form-data` body, in which clients send long parameters.
 *
 * @throws ClickHouseException `INCORRECT_DATA`, `NOT_IMPLEMENTED` for a file (ClickHouse's external tables)
 */
export async function parseForm(body: Buffer, contentType: string): Promise<FormBody> {
  let query: string | undefined;
  const parameters = new Map<string, string>();
  for (const [name, value] of await formFields(body, contentType)) {
    if (typeof value !== 'string') {
      throw new ClickHouseException('NOT_IMPLEMENTED', `This server takes no external tables (form file ${name})`);
    }
    if (name === 'query') query = value;
    else if (name.startsWith(PARAMETER_PREFIX)) parameters.set(name.slice(PARAMETER_PREFIX.length), value);
  }
  return { query, parameters };
}

async function formFields(body: Buffer, contentType: string): Promise<FormData> {
  try {
    return await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData();
  } catch (error) {
    throw new ClickHouseException('INCORRECT_DATA', 'The body is no multipart/form-data', { cause: error });
  }
}
