import assert from 'node:assert/strict';
import { post } from '@millrace/test-platform';
import type { FuzzPart } from '../part.ts';
import { newPayment } from '../payment.ts';

const LEVELS = 100_000;
const ROUTES = ['payments', 'telemetry', 'labels'] as const;
const NDJSON = { 'content-type': 'application/x-ndjson' };

/** JSON that is deep, that names prototypes, that says a thing twice, and texts with what does not belong in them. */
export const deepJson: FuzzPart = {
  name: 'http-deep-json',
  async run({ platform }) {
    const deepObject = `${'{"a":'.repeat(LEVELS)}1${'}'.repeat(LEVELS)}`;
    const payment = JSON.stringify(newPayment()).slice(0, -1);
    const bodies = [
      `${'['.repeat(LEVELS)}${']'.repeat(LEVELS)}`,
      '['.repeat(LEVELS),
      deepObject,
      `${payment},"attributes":${deepObject}}`,
      `[${'['.repeat(LEVELS)}{"__proto__":1}${']'.repeat(LEVELS)}]`,
      `${payment},"__proto__":{"admin":true}}`,
      `${payment},"constructor":{"prototype":{"admin":true}}}`,
      `${payment},"attributes":{"note":"\\ud800"}}`,
      `${payment},"attributes":{"note":"${'x'.repeat(1_000_000)}"}}`,
      `${payment},"attributes":{${Array.from({ length: 50_000 }, (_, index) => `"k${index}":1`)}}}`,
      `${payment},"amount":1e400}`,
      `${payment},"transaction_id":null}`,
      '"text"',
      'null',
      '-0',
      '1e999999',
    ];
    // Odd, but JSON, and nothing is lost by it: of two values of a name the last one counts.
    const odd = [`${payment},"attributes":{"note":"\\u0000"}}`, `${payment},"amount":"1.00","amount":"2.00"}`];
    for (const body of odd) {
      const { status, body: answer } = await post(`${platform.ingest}/v1/payments`, body);
      assert.equal(status, 202, JSON.stringify(answer));
    }
    let sent = 0;
    for (const route of ROUTES) {
      for (const body of bodies) {
        for (const headers of [{}, NDJSON]) {
          const { status, body: answer } = await post(`${platform.ingest}/v1/${route}`, body, headers);
          const shown = `${route}: ${body.slice(0, 80)}: ${status} ${JSON.stringify(answer).slice(0, 200)}`;
          assert.ok(status === 400 || status === 413 || status === 422, shown);
          sent += 1;
        }
      }
    }
    return `${sent} bodies refused`;
  },
};
