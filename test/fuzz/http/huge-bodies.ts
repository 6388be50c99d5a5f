import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { eventually } from '@millrace/test-platform';
import type { FuzzPart } from '../part.ts';
import { openConnection, statusOf } from './connection.ts';

const GIB = 1024 ** 3;
const CHUNK = Buffer.alloc(1024 * 1024, ' ');
const HEADERS = 'X-Filler: 0123456789abcdef\r\n';

interface Body {
  readonly name: string;
  readonly contentType: string;
  readonly status: number;
  readonly gzip?: Buffer;
  readonly chunked?: boolean;
}

/** Bodies of a gibibyte, plain and out of a small gzip, and heads of a mebibyte. */
export const hugeBodies: FuzzPart = {
  name: 'http-huge-bodies',
  async run({ platform }) {
    const bomb = bombOf(GIB);
    const bodies: readonly Body[] = [
      { name: 'announced', contentType: 'application/json', status: 413 },
      { name: 'in chunks', contentType: 'application/json', status: 413, chunked: true },
      // One line, which is too long, and is skipped to its end.
      { name: 'a line', contentType: 'application/x-ndjson', status: 422 },
      { name: 'inflated', contentType: 'application/json', status: 413, gzip: bomb },
      { name: 'inflated lines', contentType: 'application/x-ndjson', status: 422, gzip: bomb },
    ];
    for (const body of bodies) {
      const status = await send(platform.ingest, body);
      assert.equal(status, body.status, `a body of 1 GiB, ${body.name}`);
    }
    for (let round = 0; round < 20; round += 1) {
      const connection = await openConnection(platform.ingest);
      await connection.write('GET /health/live HTTP/1.1\r\nHost: ingest\r\n');
      for (let line = 0; line < 40_000 && !connection.isClosed(); line += 1_000) {
        await connection.write(HEADERS.repeat(1_000));
      }
      await connection.closed;
      const status = statusOf(connection.received());
      // The answer may be lost with what nobody read.
      assert.ok(status === 431 || status === undefined, `a head of 1 MiB: ${status}`);
    }
    return `${bodies.length} bodies of 1 GiB, 20 heads of 1 MiB`;
  },
};

async function send(url: string, { contentType, gzip, chunked = false }: Body): Promise<number | undefined> {
  const connection = await openConnection(url);
  const length = gzip?.length ?? GIB;
  const head = [
    'POST /v1/payments HTTP/1.1',
    'Host: ingest',
    `Content-Type: ${contentType}`,
    chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`,
    ...(gzip === undefined ? [] : ['Content-Encoding: gzip']),
  ];
  await connection.write(`${head.join('\r\n')}\r\n\r\n`);
  if (gzip !== undefined) await connection.write(gzip);
  else {
    for (let sent = 0; sent < GIB && !connection.isClosed(); sent += CHUNK.length) {
      if (chunked) await connection.write(`${CHUNK.length.toString(16)}\r\n`);
      await connection.write(CHUNK);
      if (chunked) await connection.write('\r\n');
    }
    if (chunked) await connection.write('0\r\n\r\n');
  }
  await eventually(() => assert.ok(connection.received() !== '' || connection.isClosed(), 'no answer'));
  connection.destroy();
  return statusOf(connection.received());
}

/** A gzip of `bytes` spaces: members one behind the other are one stream (RFC 1952, 2.2). */
function bombOf(bytes: number): Buffer {
  const member = gzipSync(Buffer.alloc(16 * CHUNK.length, ' '), { level: 9 });
  return Buffer.concat(Array.from({ length: bytes / (16 * CHUNK.length) }, () => member));
}
