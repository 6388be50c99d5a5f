import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeadLetter, type Redrive, samples } from '@millrace/contracts';
import {
  countDeadLetters,
  type DeadLetterFilter,
  listDeadLetters,
  type PagePosition,
  readDeadLetters,
  type Warehouse,
} from '../../src/index.ts';
import { insert, testWarehouse } from './test-warehouse.ts';

const T = 1_772_366_400_000;

const letters: Record<string, Partial<DeadLetter>[]> = {
  // Two stages have refused the same record, one of them again after a rebuild.
  'payments.enriched:0:7': [
    { stage: 'customer', reason: 'schema', failed_at: T + 1_000 },
    { stage: 'sink', reason: 'malformed-json', failed_at: T + 9_000, value_base64: '' },
    { stage: 'customer', reason: 'schema', failed_at: T + 5_000 },
  ],
  'telemetry.raw:1:3': [
    { origin: { kind: 'kafka', topic: 'telemetry.raw', partition: 1, offset: 3 }, key: 'term-1', failed_at: T + 2_000 },
  ],
  "it's \\ one": [
    { origin: { kind: 'mqtt', topic: 'devices/term-1/telemetry', device_id: 'term-1' }, failed_at: T + 3_000 },
  ],
  same: [{ origin: { kind: 'http', path: '/v1/payments' }, failed_at: T + 3_000, stage: 'ingest' }],
};

async function filled(t: Parameters<typeof testWarehouse>[0]): Promise<Warehouse> {
  const warehouse = await testWarehouse(t);
  const rows = Object.entries(letters).flatMap(([id, failures]) =>
    failures.map((failure) => ({ ...samples.deadLetter, id, stage: 'ingest', ...failure })),
  );
  await insert(
    warehouse,
    'dead_letters',
    0,
    rows.map((row) => ({ ...row, ingested_at: T })),
  );
  const redrives: Redrive[] = [
    { ...samples.redrive, id: 'payments.enriched:0:7', stages: ['customer'], topic: 'payments.enriched' },
    { ...samples.redrive, id: "it's \\ one", stages: ['ingest'], event_ids: ['term-1:5:6'], redriven_at: T + 60_000 },
  ];
  await insert(
    warehouse,
    'redrives',
    0,
    redrives.map((row) => ({ ...row, ingested_at: T })),
  );
  return warehouse;
}

const page = { order: 'newest-first', limit: 10 } as const;
const idsOf = async (warehouse: Warehouse, filter: DeadLetterFilter) =>
  (await listDeadLetters(warehouse, filter, page)).map(({ id }) => id);

test('a record that several stages have refused is one letter, with what each of them says and what was redriven', async (t) => {
  const warehouse = await filled(t);
  const [letter, ...others] = await readDeadLetters(warehouse, ['payments.enriched:0:7', 'not there']);
  assert.deepEqual(others, []);
  assert.deepEqual(letter, {
    id: 'payments.enriched:0:7',
    origin: samples.deadLetter.origin,
    key: samples.deadLetter.key,
    headers: samples.deadLetter.headers,
    value_base64: samples.deadLetter.value_base64,
    value_bytes: Buffer.from(samples.deadLetter.value_base64, 'base64').length,
    is_cut: false,
    first_failed_at: T + 1_000,
    failures: [
      {
        stage: 'customer',
        reason: 'schema',
        message: samples.deadLetter.message,
        failed_at: T + 5_000,
        redriven_at: samples.redrive.redriven_at,
      },
      { stage: 'sink', reason: 'malformed-json', message: samples.deadLetter.message, failed_at: T + 9_000 },
    ],
    redrives: [
      {
        redriven_at: samples.redrive.redriven_at,
        stages: ['customer'],
        topic: 'payments.enriched',
        event_ids: samples.redrive.event_ids,
      },
    ],
  });
  const [cut] = await readDeadLetters(warehouse, ['same'], { base64LengthMax: 4 });
  assert.deepEqual([cut?.value_base64, cut?.value_bytes, cut?.is_cut], ['e25v', 9, true]);
  assert.deepEqual(cut?.origin, { kind: 'http', path: '/v1/payments' });
});

test('each filter finds the letters of which a failure is as asked', async (t) => {
  const warehouse = await filled(t);
  const enriched = 'payments.enriched:0:7';
  const mqtt = "it's \\ one";
  const expected: [DeadLetterFilter, string[]][] = [
    [{}, ['same', mqtt, 'telemetry.raw:1:3', enriched]],
    [{ id: mqtt }, [mqtt]],
    [{ stage: 'sink' }, [enriched]],
    [{ reason: 'schema' }, [enriched]],
    [{ origin: 'mqtt' }, [mqtt]],
    [{ topic: 'telemetry.raw' }, ['telemetry.raw:1:3']],
    [{ device_id: 'term-1' }, [mqtt, 'telemetry.raw:1:3']],
    [{ fromMs: T + 2_000, untilMs: T + 3_000 }, ['telemetry.raw:1:3']],
    [{ redriven: true }, [mqtt, enriched]],
    [{ redriven: false }, [enriched, 'same', 'telemetry.raw:1:3']],
    [{ redriven: false, stage: 'customer' }, []],
    [{ stage: "x' OR 1 = 1 --" }, []],
  ];
  for (const [filter, ids] of expected) {
    assert.deepEqual(await idsOf(warehouse, filter), ids, JSON.stringify(filter));
    assert.equal(await countDeadLetters(warehouse, filter, page), ids.length, JSON.stringify(filter));
  }
});

test('pages of one, in either order, are all letters once, and what is behind a position is counted', async (t) => {
  const warehouse = await filled(t);
  for (const order of ['newest-first', 'oldest-first'] as const) {
    const whole = await listDeadLetters(warehouse, {}, { order, limit: 10 });
    const found: string[] = [];
    let after: PagePosition | undefined;
    for (;;) {
      assert.equal(await countDeadLetters(warehouse, {}, { order, after }), 4 - found.length);
      const [next] = await listDeadLetters(warehouse, {}, { order, limit: 1, after });
      if (next === undefined) break;
      found.push(next.id);
      after = next;
    }
    const newestFirst = ['same', "it's \\ one", 'telemetry.raw:1:3', 'payments.enriched:0:7'];
    assert.deepEqual(found, order === 'newest-first' ? newestFirst : newestFirst.toReversed());
    assert.deepEqual(
      found,
      whole.map(({ id }) => id),
    );
  }
});
