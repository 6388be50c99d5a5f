import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, post } from '@millrace/test-platform';
import type { FuzzPart } from '../part.ts';
import { newPayment } from '../payment.ts';
import { type Connection, openConnection, statusOf } from './connection.ts';

const SPOKEN = 5_000;
const SILENT = 5_000;
const DRIPPING = 200;
const AT_ONCE = 250;
const PAYMENTS = 50;
/** Heads and bodies have 20 s, looked at every 5 s. */
const SLOW_MS_MAX = 40_000;

const SLOW_HEAD = 'POST /v1/payments HTTP/1.1\r\nHost: ingest\r\nX-Slow: ';
const SLOW_BODY =
  'POST /v1/payments HTTP/1.1\r\nHost: ingest\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n[';

/** 10,000 connections of which nothing comes, and 400 of which a byte comes now and then, while others pay. */
export const idleConnections: FuzzPart = {
  name: 'http-idle-connections',
  async run({ platform }) {
    const url = platform.ingest;
    const open = (count: number, text: string) => openMany(url, count, text);
    const spoken = await open(SPOKEN, 'GET /health/live HTTP/1.1\r\nHost: ingest\r\n\r\n');
    const silent = await open(SILENT, '');
    const slow = [...(await open(DRIPPING, SLOW_HEAD)), ...(await open(DRIPPING, SLOW_BODY))];
    try {
      await eventually(() => {
        const answered = spoken.filter((connection) => statusOf(connection.received()) === 200).length;
        assert.equal(answered, SPOKEN);
      });
      for (let sent = 0; sent < PAYMENTS; sent += 1) {
        const { status } = await post(`${url}/v1/payments`, newPayment());
        assert.equal(status, 202, `payment ${sent} of ${PAYMENTS} beside idle connections`);
      }
      const deadlineMs = performance.now() + SLOW_MS_MAX;
      const left = () => slow.filter((connection) => !connection.isClosed());
      while (left().length > 0) {
        assert.ok(performance.now() < deadlineMs, `${left().length} slow connections are still open`);
        for (const connection of left()) await connection.write(' ');
        await sleep(1_000);
      }
      const statuses = new Set(slow.map((connection) => statusOf(connection.received())));
      assert.deepEqual([...statuses], [408]);
      const { status } = await post(`${url}/v1/payments`, newPayment());
      assert.equal(status, 202);
    } finally {
      for (const connection of [...spoken, ...silent, ...slow]) connection.destroy();
    }
    return `${PAYMENTS} payments beside ${SPOKEN + SILENT} idle connections; ${slow.length} slow ones answered 408`;
  },
};

async function openMany(url: string, count: number, text: string): Promise<Connection[]> {
  const opened: Connection[] = [];
  while (opened.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - opened.length) }, async () => {
      const connection = await openConnection(url);
      if (text !== '') await connection.write(text);
      return connection;
    });
    opened.push(...(await Promise.all(some)));
  }
  const refused = opened.filter((connection) => connection.isClosed()).length;
  assert.equal(
    refused,
    0,
    `${refused} of ${count} connections were refused; each process needs 12,000 open files (ulimit -n)`,
  );
  return opened;
}
