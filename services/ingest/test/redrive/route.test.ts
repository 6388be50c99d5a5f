import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IngestError } from '../../src/errors.ts';
import type { Letter, RedriveResult } from '../../src/redrive/letter.ts';
import type { Redriver } from '../../src/redrive/redriver.ts';
import { createKeys, sha256 } from '../access/credentials-file.ts';
import { createIngest } from '../fixtures.ts';

const LETTER: Letter = {
  id: 'payments.raw:0:7',
  origin: { kind: 'kafka', topic: 'payments.raw', partition: 0, offset: 7 },
  stages: ['payments'],
  value_base64: 'e30=',
  failed_at: 1_772_366_400_000,
};

function fakeRedriver(): Redriver & { readonly calls: [string, readonly Letter[]][] } {
  const calls: [string, readonly Letter[]][] = [];
  const answer = (method: string, status: 'redriven' | 'redrivable') => async (letters: readonly Letter[]) => {
    calls.push([method, letters]);
    return letters.map(({ id }): RedriveResult => ({ id, status, topic: 'payments.raw', event_ids: ['t-1'] }));
  };
  return { calls, redrive: answer('redrive', 'redriven'), check: answer('check', 'redrivable') };
}

test('letters are handed on, in a dry run only to be checked, and what became of them is counted', async (t) => {
  const redriver = fakeRedriver();
  const { post, counted } = await createIngest(t, { redriver });
  const result = { id: LETTER.id, topic: 'payments.raw', event_ids: ['t-1'] };
  const dry = await post('/v1/redrive', { dry_run: true, letters: [LETTER] });
  assert.deepEqual(dry.json(), { dry_run: true, results: [{ ...result, status: 'redrivable' }] });
  const wet = await post('/v1/redrive', { letters: [LETTER, { ...LETTER, id: 'b' }] });
  assert.equal(wet.statusCode, 200);
  assert.deepEqual(wet.json().results[0], { ...result, status: 'redriven' });
  assert.deepEqual(
    redriver.calls.map(([method, letters]) => [method, letters.length]),
    [
      ['check', 1],
      ['redrive', 2],
    ],
  );
  assert.deepEqual(await counted('millrace_ingest_redriven_letters_total'), { redriven: 2 });
});

test('a body that is no redrive is refused with the place of the fault and without its values', async (t) => {
  const redriver = fakeRedriver();
  const { post } = await createIngest(t, { redriver });
  const wrong = [
    [{ letters: [] }, 'letters'],
    [{ letters: [{ ...LETTER, value_base64: '4242 4242 4242 4242' }] }, 'letters.0.value_base64'],
    [{ letters: [{ ...LETTER, origin: { kind: 'pigeon' } }] }, 'letters.0.origin'],
    [{ letters: Array(201).fill(LETTER) }, 'letters'],
    [[LETTER], ''],
  ] as const;
  for (const [body, field] of wrong) {
    const answer = await post('/v1/redrive', body);
    assert.equal(answer.statusCode, 422, field);
    const fields = answer.json().problems.map((problem: { field: string }) => problem.field);
    assert.ok(
      fields.some((found: string) => found.startsWith(field)),
      `${field} in ${fields}`,
    );
    assert.doesNotMatch(answer.body, /4242/);
  }
  assert.deepEqual(redriver.calls, []);
});

test('what cannot be redriven now is 503, and asking again is safe', async (t) => {
  const busy = async () => {
    throw new IngestError('taken-over', 'Another log was opened for 10.0.0.1.');
  };
  const { post } = await createIngest(t, { redriver: { redrive: busy, check: busy } });
  const answer = await post('/v1/redrive', { letters: [LETTER] });
  assert.equal(answer.statusCode, 503);
  assert.ok(answer.headers['retry-after']);
  assert.doesNotMatch(answer.body, /10\.0\.0\.1/);
});

test('only a key with the scope redrive:write may redrive', async (t) => {
  const redriver = fakeRedriver();
  const keys = await createKeys(t, [
    { name: 'shop', sha256: sha256('mk_shop'), scopes: ['payments:write', 'telemetry:write'] },
    { name: 'api', sha256: sha256('mk_api'), scopes: ['redrive:write'] },
  ]);
  const { post } = await createIngest(t, { redriver, ...keys });
  const as = async (headers: Record<string, string>) =>
    (await post('/v1/redrive', { letters: [LETTER] }, headers)).statusCode;
  assert.deepEqual(
    [await as({}), await as({ 'x-api-key': 'mk_shop' }), await as({ authorization: 'Bearer mk_api' })],
    [401, 403, 200],
  );
  assert.equal(redriver.calls.length, 1);
});
