import assert from 'node:assert/strict';
import type { FuzzPart } from '../part.ts';
import { newPayment } from '../payment.ts';
import { type Connection, openConnection, statusOf } from './connection.ts';

const CONNECTIONS = 1_000;
const AT_ONCE = 50;
/** A head that is never finished is given up by the other side after 25 s; nobody waits for that here. */
const ANSWER_MS_MAX = 200;

/** Requests with bytes changed, cut out, doubled and added, and bytes that never were a request. */
export const randomBytes: FuzzPart = {
  name: 'http-random-bytes',
  async run({ platform, random }) {
    const counts = new Map<string, number>();
    for (let sent = 0; sent < CONNECTIONS; sent += AT_ONCE) {
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          const bytes = random() < 0.2 ? noise(random) : mutated(requestOf(random), random);
          const connection = await openConnection(platform.ingest);
          await connection.write(bytes);
          await answered(connection);
          const status = statusOf(connection.received());
          assert.ok(status === undefined || status < 500, `${JSON.stringify(bytes.toString('latin1'))}: ${status}`);
          const outcome = status === undefined ? 'no answer' : String(status);
          counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
          connection.destroy();
        }),
      );
    }
    const outcomes = [...counts].toSorted().map(([outcome, count]) => `${count} x ${outcome}`);
    return `${CONNECTIONS} connections: ${outcomes.join(', ')}`;
  },
};

function requestOf(random: () => number): Buffer {
  const isStream = random() < 0.3;
  const body = JSON.stringify(random() < 0.5 ? newPayment() : [newPayment(), newPayment()]);
  const isChunked = random() < 0.5;
  const head = [
    'POST /v1/payments HTTP/1.1',
    'Host: ingest',
    `Content-Type: application/${isStream ? 'x-ndjson' : 'json'}`,
    isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`,
  ];
  const framed = isChunked ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body;
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${framed}`);
}

export function noise(random: () => number): Buffer {
  return Buffer.from(Array.from({ length: whole(random, 2_000) }, () => whole(random, 256)));
}

export function mutated(request: Buffer, random: () => number): Buffer {
  let bytes = request;
  for (let changes = whole(random, 4) + 1; changes > 0; changes -= 1) {
    const from = whole(random, bytes.length);
    const to = Math.min(bytes.length, from + whole(random, 40));
    const parts = [
      [bytes.subarray(0, from), Buffer.from([whole(random, 256)]), bytes.subarray(from + 1)],
      [bytes.subarray(0, from), bytes.subarray(to)],
      [bytes.subarray(0, to), bytes.subarray(from)],
      [bytes.subarray(0, from), noise(random), bytes.subarray(from)],
    ];
    bytes = Buffer.concat(parts[whole(random, parts.length)] ?? []);
  }
  return bytes;
}

async function answered(connection: Connection): Promise<void> {
  const deadlineMs = performance.now() + ANSWER_MS_MAX;
  while (connection.received() === '' && !connection.isClosed() && performance.now() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function whole(random: () => number, below: number): number {
  return Math.floor(random() * below);
}
