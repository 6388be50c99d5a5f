import type { Warehouse } from '@millrace/warehouse';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { ApiInstance } from '../app.ts';
import { badField } from '../http/problems.ts';
import { problemAnswers } from '../http/schemas.ts';
import { id } from './events.ts';

export type InsertLedger = (lines: Buffer, deduplicationToken: string) => Promise<void>;

export const LEDGER_BYTES_MAX = 8 * 1024 * 1024;

const Entry = Compile(
  Type.Object({
    kind: Type.Enum(['payment', 'telemetry']),
    id: Type.String({ minLength: 1, maxLength: 320 }),
    acknowledged_at: Type.Integer({ minimum: 0, maximum: 253_402_300_799_999 }),
  }),
);

export function warehouseLedger(warehouse: Pick<Warehouse, 'insertRows'>): InsertLedger {
  return (lines, deduplicationToken) => warehouse.insertRows('ledger', lines, { deduplicationToken });
}

/**
 * Takes what senders were told was accepted, so that reconciliation knows of it from outside the pipeline.
 *
 * Delivery: an answer of 202 means that ClickHouse has the entries. The token names sender and sequence, so a post that
 * is repeated changes nothing; after 503, or without an answer, the sender posts the same lines under the same sequence.
 */
export function registerLedgerRoutes(app: ApiInstance, insert: InsertLedger): void {
  app.addContentTypeParser(
    'application/x-ndjson',
    { parseAs: 'buffer', bodyLimit: LEDGER_BYTES_MAX },
    (_request, body, done) => done(null, body),
  );
  app.post(
    '/v1/ledgers/:sender',
    {
      bodyLimit: LEDGER_BYTES_MAX,
      schema: {
        operationId: 'post-ledger',
        tags: ['operations'],
        summary: 'Report the events of which acceptance was confirmed to a sender.',
        description: 'One `{"kind":"payment"|"telemetry","id":"...","acknowledged_at":ms}` per line.',
        params: Type.Object({ sender: id('Name of the sender.') }),
        headers: Type.Object({
          'x-ledger-sequence': Type.Integer({
            minimum: 0,
            maximum: Number.MAX_SAFE_INTEGER,
            description: "Number of this post, counting up per sender. A repeated number's lines are dropped.",
          }),
        }),
        response: { 202: Type.Object({ entries: Type.Integer({ description: 'Lines taken.' }) }), ...problemAnswers },
      },
    },
    async ({ params: { sender }, headers, body }, reply) => {
      if (!Buffer.isBuffer(body)) throw badField('body', 'must be NDJSON: send content-type application/x-ndjson');
      const rows = readEntries(body, sender);
      if (rows.length > 0)
        await insert(Buffer.from(rows.join('\n')), `ledger:${sender}:${headers['x-ledger-sequence']}`);
      return reply.code(202).send({ entries: rows.length });
    },
  );
}

function readEntries(body: Buffer, sender: string): string[] {
  const rows: string[] = [];
  for (const [index, line] of body.toString('utf8').split('\n').entries()) {
    if (line.trim() === '') continue;
    const entry = parseLine(line);
    if (!Entry.Check(entry)) {
      throw badField(
        `body, line ${index + 1}`,
        'must be {"kind":"payment" or "telemetry","id":"...","acknowledged_at":ms}',
      );
    }
    const { kind, id: eventId, acknowledged_at } = entry;
    rows.push(JSON.stringify({ kind, id: eventId, acknowledged_at, sender }));
  }
  return rows;
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
