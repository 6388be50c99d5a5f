import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LetterPosition, StoredLetter } from '@millrace/warehouse';
import { Value } from 'typebox/value';
import { ApiError } from '../src/errors.ts';
import { DeadLetterAnswer, deadLetterView } from '../src/http/dead-letter-view.ts';
import { pageOfAnswers } from '../src/http/schemas.ts';
import type { RedriveThroughIngest } from '../src/redrive/ingest-client.ts';
import { inBodies } from '../src/redrive/ingest-client.ts';
import { inReads } from '../src/redrive/redrive.ts';
import { LETTER, NOW_MS, READS, testApp } from './fixtures.ts';

const iso = (ms: number) => new Date(ms).toISOString();

/** A store of letters by number, `l-1` the oldest, and what was asked of it. */
function letterStore(count: number) {
  const asked: unknown[] = [];
  const all = Array.from({ length: count }, (_, index): LetterPosition => {
    return { id: `l-${index + 1}`, timeMs: NOW_MS + index, base64Length: 12 };
  });
  const behind = (after: { timeMs: number } | undefined) => all.filter(({ timeMs }) => timeMs > (after?.timeMs ?? 0));
  const reads: typeof READS = {
    ...READS,
    listDeadLetters: async (filter, { order, limit, after }) => {
      asked.push({
        filter: Object.fromEntries(Object.entries(filter).filter(([, v]) => v !== undefined)),
        order,
        limit,
      });
      return behind(after).slice(0, limit);
    },
    countDeadLetters: async (_filter, { after }) => behind(after).length,
    readDeadLetters: async (ids) => ids.map((id): StoredLetter => ({ ...LETTER, id })),
  };
  return { reads, asked };
}

const post = (app: Awaited<ReturnType<typeof testApp>>, body: object) =>
  app.inject({ method: 'POST', url: '/v1/dead-letters/redrive', payload: body });

test('a letter shows what each stage said, what was redriven, and its bytes as text where they are', async (t) => {
  const app = await testApp(t);
  const answer = await app.inject(`/v1/dead-letters/${LETTER.id}`);
  assert.equal(answer.statusCode, 200);
  const letter = answer.json();
  assert.deepEqual(Value.Errors(DeadLetterAnswer, letter), []);
  assert.deepEqual(
    [letter.stage, letter.failed_at, letter.value_text, letter.value_bytes, letter.redriven_from],
    ['customer', iso(NOW_MS + 1_000), '{not json', 9, 'payments.raw:2:17'],
  );
  assert.deepEqual(
    letter.failures.map(({ stage, redriven_at }: Record<string, unknown>) => [stage, redriven_at]),
    [
      ['customer', iso(NOW_MS + 9_000)],
      ['sink', null],
    ],
  );
  assert.equal(letter.redriven_at, null, 'one stage still waits for it');
  assert.equal((await app.inject('/v1/dead-letters/not:there:7')).statusCode, 404);
  assert.equal((await app.inject(`/v1/dead-letters/${'x'.repeat(320)}`)).statusCode, 404);
});

test('bytes that are no text, or are cut in the middle of a character, are shown as what they are', () => {
  const view = (bytes: Buffer, is_cut: boolean) =>
    deadLetterView({ ...LETTER, value_base64: bytes.toString('base64'), is_cut }).value_text;
  const euro = Buffer.from('price: €');
  assert.equal(view(euro, false), 'price: €');
  assert.equal(view(euro.subarray(0, -1), true), 'price: ');
  assert.equal(view(euro.subarray(0, -1), false), undefined);
  assert.equal(view(Buffer.from([0xff, 0xfe, 0x00]), true), '');
  assert.equal(view(Buffer.from([0xff, 0xfe, 0x00, 0x41]), true), undefined);
});

test('a list hands its filters on, newest first, with the beginning of each value', async (t) => {
  const { reads, asked } = letterStore(3);
  let cut: unknown;
  const readDeadLetters: typeof READS.readDeadLetters = (ids, options) => {
    cut = options;
    return reads.readDeadLetters(ids);
  };
  const app = await testApp(t, { reads: { ...reads, readDeadLetters } });
  const answer = await app.inject(
    '/v1/dead-letters?stage=sink&origin=kafka&topic=payments.raw&device_id=d&redriven=false&since=1000&limit=3',
  );
  assert.equal(answer.statusCode, 200, answer.body);
  const page = answer.json();
  assert.deepEqual(Value.Errors(pageOfAnswers(DeadLetterAnswer), page), []);
  assert.equal(page.items.length, 3);
  assert.equal(typeof page.next_cursor, 'string');
  const filter = {
    stage: 'sink',
    origin: 'kafka',
    topic: 'payments.raw',
    device_id: 'd',
    redriven: false,
    fromMs: 1000,
  };
  assert.deepEqual(asked, [{ filter, order: 'newest-first', limit: 3 }]);
  assert.deepEqual(cut, { base64LengthMax: 8_192 });
  const wrong = await app.inject('/v1/dead-letters?origin=pigeon&colour=red&redriven=perhaps');
  assert.equal(wrong.statusCode, 400);
  assert.equal(wrong.json().problems.length, 3);
});

test('a redrive without a filter is refused unless all are meant', async (t) => {
  const { reads, asked } = letterStore(1);
  const app = await testApp(t, {
    reads,
    redrive: async (letters) => letters.map(({ id }) => ({ id, status: 'redriven' })),
  });
  for (const body of [{}, { filter: {} }, { filter: { redriven: false } }, { dry_run: true }]) {
    const answer = await post(app, body);
    assert.equal(answer.statusCode, 400, JSON.stringify(body));
    assert.match(answer.json().detail, /set all to true/);
  }
  assert.deepEqual(asked, []);
  assert.equal((await post(app, { all: true })).statusCode, 200);
  assert.equal((await post(app, { filter: { stage: 'sink', limit: 5 } })).statusCode, 400);
  assert.equal((await post(app, { filter: { stage: 'sink' }, limit: 1_001 })).statusCode, 400);
  assert.equal((await post(app, { filter: { stage: 'sink', since: 'yesterday' } })).json().problems[0].field, 'since');
});

test('a redrive sends the oldest letters that were not sent before, and says what remains and where to go on', async (t) => {
  const { reads, asked } = letterStore(5);
  const sent: [string[], boolean][] = [];
  const redrive: RedriveThroughIngest = async (letters, dryRun) => {
    sent.push([letters.map(({ id }) => id), dryRun]);
    return letters.map(({ id }) =>
      id === 'l-2'
        ? { id, status: 'refused-again', problems: [{ field: '', code: 'schema', message: 'still' }] }
        : { id, status: 'redriven', topic: 'payments.raw', event_ids: ['t'] },
    );
  };
  const app = await testApp(t, { reads, redrive });
  const first = (await post(app, { filter: { reason: 'schema' }, limit: 3 })).json();
  assert.deepEqual(first.counts, {
    redriven: 2,
    redrivable: 0,
    'already-redriven': 0,
    'refused-again': 1,
    'not-redrivable': 0,
  });
  assert.deepEqual(first.results[1], {
    id: 'l-2',
    status: 'refused-again',
    problems: [{ field: '', code: 'schema', message: 'still' }],
  });
  assert.equal(first.remaining, 2);
  const second = (
    await post(app, { filter: { reason: 'schema' }, limit: 3, dry_run: true, cursor: first.next_cursor })
  ).json();
  assert.deepEqual([second.dry_run, second.remaining, second.next_cursor], [true, 0, null]);
  assert.deepEqual(sent, [
    [['l-1', 'l-2', 'l-3'], false],
    [['l-4', 'l-5'], true],
  ]);
  await post(app, { filter: { id: 'l-4' } });
  await post(app, { filter: { stage: 'sink', redriven: true } });
  assert.deepEqual(
    asked.map((question) => (question as { filter: object }).filter),
    [
      { reason: 'schema', redriven: false },
      { reason: 'schema', redriven: false },
      { id: 'l-4' },
      { stage: 'sink', redriven: true },
    ],
  );
});

test('when ingest does not take letters the answer is 503, says that asking again is safe, and nothing of the inside', async (t) => {
  const { reads } = letterStore(1);
  const redrive: RedriveThroughIngest = async () => {
    throw new ApiError('ingest-unavailable', 'connect ECONNREFUSED 10.0.0.7:8080');
  };
  const answer = await post(await testApp(t, { reads, redrive }), { all: true });
  assert.equal(answer.statusCode, 503);
  assert.ok(answer.headers['retry-after']);
  assert.match(answer.json().detail, /not redriven twice/);
  assert.doesNotMatch(answer.body, /10\.0\.0\.7/);
});

test('letters are read and sent in parts of bounded size, in their order, and a large one goes alone', () => {
  const positions = [10, 3_000_000, 999_990, 1, 5_000_000, 7].map((base64Length, index): LetterPosition => {
    return { id: String(index), timeMs: index, base64Length };
  });
  assert.deepEqual(
    [...inReads(positions)].map((part) => part.map(({ id }) => id)),
    [['0', '1', '2'], ['3'], ['4'], ['5']],
  );
  assert.deepEqual([...inReads([])], []);
  const letters = [1_000_000, 2_500_000, 1, 4_000_000, 5].map((length) => 'x'.repeat(length));
  assert.deepEqual(
    [...inBodies(letters)].map((part) => part.map(({ length }) => length)),
    [[1_000_000, 2_500_000], [1], [4_000_000], [5]],
  );
  assert.deepEqual(
    [...inBodies(Array(401).fill('x'))].map((part) => part.length),
    [200, 200, 1],
  );
});
