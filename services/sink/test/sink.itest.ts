import assert from 'node:assert/strict';
import { test } from 'node:test';
import { samples } from '@millrace/contracts';
import { createTestSink, INGESTED_AT_MS, recordOf, stop } from './test-sink.ts';

test('a record of every topic is stored once in its table, with where it came from', async (t) => {
  const { topics, producer, start, waitForRows, count, warehouse } = await createTestSink(t);
  const child = start();
  const letter = { ...samples.deadLetter, failed_at: Date.now() }; // an old one would fall to the topic's retention
  await producer.send([
    { topic: topics.paymentsRaw.name, records: [recordOf(topics.paymentsRaw, samples.payment)] },
    { topic: topics.telemetryRaw.name, records: [recordOf(topics.telemetryRaw, samples.telemetry)] },
    { topic: topics.paymentsEnriched.name, records: [recordOf(topics.paymentsEnriched, samples.enrichedPayment)] },
    { topic: topics.telemetryEnriched.name, records: [recordOf(topics.telemetryEnriched, samples.enrichedTelemetry)] },
    { topic: topics.fraudDecisions.name, records: [recordOf(topics.fraudDecisions, samples.decision)] },
    { topic: topics.fraudAlerts.name, records: [recordOf(topics.fraudAlerts, samples.alert)] },
    { topic: topics.telemetryAlerts.name, records: [recordOf(topics.telemetryAlerts, samples.alert)] },
    {
      topic: topics.customersProfile.name,
      records: [
        recordOf(topics.customersProfile, samples.profile),
        { key: samples.profile.customer_id, value: null, timestampMs: INGESTED_AT_MS },
      ],
    },
    { topic: topics.fraudLabels.name, records: [recordOf(topics.fraudLabels, samples.label)] },
    { topic: topics.deadLetters.name, records: [recordOf(topics.deadLetters, letter)] },
    {
      topic: topics.deadLettersRedriven.name,
      records: [recordOf(topics.deadLettersRedriven, { ...samples.redrive, redriven_at: Date.now() })],
    },
  ]);
  const expected = {
    payments_raw: 1,
    telemetry_raw: 1,
    payments: 1,
    telemetry: Object.keys(samples.enrichedTelemetry.metrics).length,
    decisions: 1,
    alerts: 2,
    profiles: 2,
    labels: 1,
    dead_letters: 1,
    redrives: 1,
  } as const;
  for (const [table, rows] of Object.entries(expected)) await waitForRows(table as keyof typeof expected, rows);
  for (const [table, rows] of Object.entries(expected)) assert.equal(await count(table as keyof typeof expected), rows);

  const [payment] = await warehouse.query(
    'SELECT transaction_id, toUnixTimestamp64Milli(ingested_at) AS ingested_at, _topic AS topic, _offset AS offset FROM payments',
  );
  assert.deepEqual(payment, {
    transaction_id: samples.enrichedPayment.transaction_id,
    ingested_at: INGESTED_AT_MS,
    topic: topics.paymentsEnriched.name,
    offset: 0,
  });
  const metrics = await warehouse.query<{ metric: string; value: number }>('SELECT metric, value FROM telemetry');
  assert.deepEqual(
    Object.fromEntries(metrics.map(({ metric, value }) => [metric, value])),
    Object.fromEntries(Object.entries(samples.enrichedTelemetry.metrics).map(([name, value]) => [name, Number(value)])),
  );
  const versions = await warehouse.query<{ deleted: boolean }>('SELECT deleted FROM profiles ORDER BY _offset');
  assert.deepEqual(versions, [{ deleted: false }, { deleted: true }]);
  assert.equal(await stop(child, 'SIGTERM'), 0);
});

test('a poison record becomes a dead letter with its bytes, and those around it are stored', async (t) => {
  const { topics, producer, start, waitForRows, count, warehouse } = await createTestSink(t);
  const labels = topics.fraudLabels;
  const good = (id: string) => recordOf(labels, { ...samples.label, transaction_id: id });
  const poison = {
    'not JSON': '{"transaction_id": ',
    'a wrong type': JSON.stringify({ ...samples.label, labelled_at: 'yesterday' }),
    'two objects': `${JSON.stringify(samples.label)},${JSON.stringify(samples.label)}`,
    'nothing in it': '{}',
    'not UTF-8': Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
  };
  const records = Object.values(poison).flatMap((value, index) => [
    good(`good-${index}`),
    { key: 'k', value, headers: { schema: labels.schema } },
  ]);
  await producer.send([
    { topic: labels.name, records: [...records, good('good-last')].map((record) => ({ ...record, partition: 0 })) },
  ]);
  start();
  await waitForRows('labels', 6);
  await waitForRows('dead_letters', 5);
  assert.equal(await count('labels'), 6);
  const letters = await warehouse.query<{ id: string; bytes: string; stage: string }>(
    'SELECT id, base64Decode(value_base64) AS bytes, stage FROM dead_letters ORDER BY origin.offset',
  );
  assert.deepEqual(
    letters.map(({ id }) => id),
    [1, 3, 5, 7, 9].map((offset) => `${labels.name}:0:${offset}`),
  );
  assert.deepEqual(
    letters.slice(0, 4).map(({ bytes }) => bytes),
    Object.values(poison).slice(0, 4),
  );
  // Formatted or with a newline at the end it is still one event.
  await producer.send([
    { topic: labels.name, records: [{ key: 'k', value: `${JSON.stringify(samples.label, null, 2)}\n` }] },
  ]);
  await waitForRows('labels', 7);
});

test('a record that was redriven for other stages is passed by, and one for this stage is stored', async (t) => {
  const { topics, producer, start, waitForRows, count, warehouse } = await createTestSink(t);
  const { fraudLabels } = topics;
  const record = (id: string, stages: string | undefined) => {
    const { headers, ...others } = recordOf(fraudLabels, { ...samples.label, transaction_id: id });
    return { ...others, partition: 0, headers: { ...headers, ...(stages !== undefined && { redriven_for: stages }) } };
  };
  const records = [record('mine', 'customer,sink'), record('theirs', 'customer'), record('everybody', undefined)];
  await producer.send([{ topic: fraudLabels.name, records }]);
  start();
  await waitForRows('labels', 2);
  const ids = await warehouse.query<{ id: string }>('SELECT transaction_id AS id FROM labels ORDER BY _offset');
  assert.deepEqual(ids, [{ id: 'mine' }, { id: 'everybody' }]);
  assert.equal(await count('dead_letters'), 0);
});
