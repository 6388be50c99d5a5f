import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createBrotliCompress, createDeflate, createGzip, createZstdCompress } from 'node:zlib';
import { type ClickHouseException, httpStatus } from './exception.ts';
import { contentType } from './formats.ts';

/** What the engine has told about a query, for `X-ClickHouse-Summary`. */
export interface Summary {
  readonly readRows: number;
  readonly readBytes: number;
  readonly writtenRows: number;
  readonly writtenBytes: number;
  readonly elapsedS: number;
}

/** What every answer about a query says of it. */
export interface AnswerHead {
  readonly format: string;
  readonly timezone: string;
  readonly summary: Summary;
  /** The value of Accept-Encoding when the client wants a packed answer. */
  readonly acceptEncoding: string | undefined;
}

/** Sends a result that is complete. */
export async function sendResult(response: ServerResponse, head: AnswerHead, result: Buffer): Promise<void> {
  const pack = writeHead(response, head);
  if (pack === undefined) {
    response.setHeader('Content-Length', result.length);
    response.end(result);
  } else await pipeline(Readable.from([result]), pack, response);
}

/**
 * Sends a result chunk by chunk, as fast as the client takes it. An error after the first byte cannot change the status
 * any more: as ClickHouse since 25.11 does it, it is written behind the rows between marks that carry the tag of the
 * header `X-ClickHouse-Exception-Tag`, and the connection is cut, so that no client takes the answer for complete.
 */
export async function streamResult(
  response: ServerResponse,
  head: AnswerHead,
  chunks: AsyncIterable<Buffer>,
  describe: (error: unknown) => string,
): Promise<void> {
  const tag = randomBytes(8).toString('hex');
  response.setHeader('X-ClickHouse-Exception-Tag', tag);
  const pack = writeHead(response, head);
  let hasFailed = false;
  async function* withError(): AsyncGenerator<Buffer> {
    try {
      yield* chunks;
    } catch (error) {
      hasFailed = true;
      yield exceptionBlock(tag, describe(error));
    }
  }
  const stages = pack === undefined ? [] : [pack];
  await pipeline([Readable.from(withError()), ...stages, response], { end: false });
  if (!hasFailed) {
    response.end();
    return;
  }
  // A client that knows the marks goes away by itself when it has read them; a cut would throw away what it has not yet.
  const timer = setTimeout(() => response.destroy(), CUT_AFTER_MS);
  await new Promise((resolve) => response.once('close', resolve));
  clearTimeout(timer);
}

const CUT_AFTER_MS = 5_000;

function exceptionBlock(tag: string, text: string): Buffer {
  const message = text.endsWith('\n') ? text : `${text}\n`;
  const bytes = Buffer.byteLength(message);
  return Buffer.from(`\r\n__exception__\r\n${tag}\r\n${message}${bytes} ${tag}\r\n__exception__\r\n`);
}

/** Answers with an exception, before anything else has been sent. */
export function sendException(response: ServerResponse, exception: ClickHouseException, version: string): void {
  response.statusCode = httpStatus(exception.type);
  response.setHeader('X-ClickHouse-Exception-Code', exception.code);
  response.setHeader('Content-Type', 'text/plain; charset=UTF-8');
  response.end(exception.toText(version));
}

function writeHead(response: ServerResponse, head: AnswerHead): Transform | undefined {
  const { summary } = head;
  response.statusCode = 200;
  response.setHeader('X-ClickHouse-Format', head.format);
  response.setHeader('X-ClickHouse-Timezone', head.timezone);
  response.setHeader('X-ClickHouse-Server-Display-Name', 'millrace');
  response.setHeader('Content-Type', contentType(head.format));
  response.setHeader(
    'X-ClickHouse-Summary',
    JSON.stringify({
      read_rows: String(summary.readRows),
      read_bytes: String(summary.readBytes),
      written_rows: String(summary.writtenRows),
      written_bytes: String(summary.writtenBytes),
      total_rows_to_read: '0',
      result_rows: String(summary.readRows),
      result_bytes: String(summary.readBytes),
      elapsed_ns: String(Math.round(summary.elapsedS * 1e9)),
    }),
  );
  const offered = (head.acceptEncoding ?? '').toLowerCase().split(',');
  const accepted = offered.filter((item) => !/;\s*q=0(\.0*)?\s*$/.test(item)).map((item) => item.split(';')[0]?.trim());
  const encoding = PACKERS.find(([name]) => accepted.includes(name));
  if (encoding === undefined) return undefined;
  response.setHeader('Content-Encoding', encoding[0]);
  return encoding[1]();
}

/** Fast levels: the client is near. In the order of preference. */
const PACKERS: readonly (readonly [string, () => Transform])[] = [
  ['gzip', () => createGzip({ level: 1 })],
  ['zstd', () => createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } })],
  ['br', () => createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
  ['deflate', () => createDeflate({ level: 1 })],
];
