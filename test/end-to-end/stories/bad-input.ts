import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Answer, decided, type Json, type Platform, pay, post, select } from '@millrace/test-platform';
import { recordsIn } from '../kafka-access.ts';
import { payment } from '../payment.ts';

const BODY_BYTES_MAX = 4 * 1024 * 1024;
/** A number for tests that card schemes publish; it passes the Luhn check. */
const CARD_NUMBER = '5555555555554444';
const CARD_NUMBER_SPACED = '5555 5555 5555 4444';

const REFUSED: { what: string; body: unknown; status: number; field: string }[] = [
  { what: 'malformed JSON', body: '{"transaction_id": "refused",', status: 400, field: 'body' },
  { what: 'a number as customer_id', body: refused({ customer_id: 42 }), status: 422, field: 'customer_id' },
  { what: 'a currency that is none', body: refused({ currency: 'XYZ' }), status: 422, field: 'currency' },
  { what: 'a negative amount', body: refused({ amount: '-1.00' }), status: 422, field: 'amount' },
  { what: 'half a cent', body: refused({ amount: '1.005' }), status: 422, field: 'amount' },
  { what: 'nobody who is paid', body: refused({ merchant_id: undefined }), status: 422, field: 'merchant_id' },
  {
    what: 'an array of payments that are all wrong',
    body: [refused({ currency: 'XYZ' })],
    status: 422,
    field: 'currency',
  },
  { what: 'a body over the limit', body: refused({ note: 'x'.repeat(BODY_BYTES_MAX) }), status: 413, field: 'body' },
];

export function badInputStories(platform: Platform): void {
  const payments = `${platform.ingest}/v1/payments`;

  test('what is no payment is refused with a problem that names the field, and nothing of it is written', async (t) => {
    const before = await recordsIn(t, platform, 'payments.raw');
    for (const { what, body, status, field } of REFUSED) {
      const answer = await post(payments, body);
      assert.equal(answer.status, status, `${what}: ${JSON.stringify(answer.body)}`);
      assert.match(answer.contentType, /^application\/problem\+json/, what);
      assert.deepEqual(fieldsOf(answer), [field], `${what}: ${JSON.stringify(answer.body)}`);
      assert.ok(answer.body.title && answer.body.detail, what);
    }
    assert.equal(await recordsIn(t, platform, 'payments.raw'), before);
  });

  test('a compressed body that is over the limit and broken off is refused, and leaves the service as it was', async () => {
    const pid = platform.pidOf('ingest');
    const whole = gzipSync(JSON.stringify(refused({ note: 'x'.repeat(10 * BODY_BYTES_MAX) })));
    const answer = await post(payments, whole.subarray(0, -20), { 'content-encoding': 'gzip' });
    assert.equal(answer.status, 413);
    await pay(platform, payment('after-broken-off'));
    assert.equal(platform.pidOf('ingest'), pid);
  });

  test('a card number becomes a token before anything is written or logged', async () => {
    const withNumber = (id: string, card_id: string, fields: Json = {}) =>
      payment(id, { customer_id: 'careless', card_id, ...fields });
    await pay(platform, [withNumber('pan-1', CARD_NUMBER), withNumber('pan-2', CARD_NUMBER_SPACED)]);
    const wrong = await post(payments, withNumber('pan-3', CARD_NUMBER, { amount: '-1.00' }));
    const malformed = await post(payments, `{"transaction_id": "pan-4", "card_id": ${CARD_NUMBER_SPACED}`);
    assert.deepEqual([wrong.status, malformed.status], [422, 400]);
    for (const { body } of [wrong, malformed]) assert.doesNotMatch(JSON.stringify(body), /5555/);

    const first = await decided(platform, 'pan-1');
    const second = await decided(platform, 'pan-2');
    const token = first.payment.card_id;
    assert.match(token, /^[A-Za-z0-9._:-]{32,}$/);
    assert.deepEqual([first.decision.card_id, second.payment.card_id, second.decision.card_id], [token, token, token]);

    const found = async (text: string) => [...(await tablesWith(platform, text)), ...filesWith(platform, text)];
    // The token is found, so the search would find the number as well.
    const where = await found(token);
    for (const place of ['payments', 'decisions']) assert.ok(where.includes(place), `${place} not in ${where}`);
    assert.ok(
      where.some((file) => /^kafka\/.*payments\.raw-\d+\/.*\.log$/.test(file)),
      where.join(),
    );
    assert.deepEqual([...(await found(CARD_NUMBER)), ...(await found(CARD_NUMBER_SPACED))], []);
  });
}

function refused(fields: Json): Json {
  return payment('refused', fields);
}

/** Every field that a problem names, be it of the request, of its event, or of an event in its array. */
function fieldsOf({ body }: Answer): string[] {
  const problems = [body, ...(body.problems ?? []), ...(body.items ?? []).flatMap((item: Json) => item.problems)];
  return problems.flatMap(({ field }) => (field === undefined ? [] : [field]));
}

/** The tables that hold a text in any of their columns. */
async function tablesWith(platform: Platform, text: string): Promise<string[]> {
  const tables = await select(platform, `SELECT name FROM system.tables WHERE database = 'millrace' ORDER BY name`);
  const found: string[] = [];
  for (const { name } of tables) {
    const sql = `SELECT count() AS rows FROM millrace.${name} WHERE position(toString(tuple(*)), {text:String}) > 0`;
    const [counted] = await select(platform, sql, { text });
    if (counted.rows > 0) found.push(name);
  }
  return found;
}

/** Kafka's segments (nothing in them is compressed) and the logs of all parts that hold a text, relative to the data. */
function filesWith({ dataDir }: Platform, text: string): string[] {
  const files = globSync(['kafka/**/*.log', 'logs/*'], { cwd: dataDir });
  return files.filter((file) => readFileSync(join(dataDir, file)).includes(text));
}
