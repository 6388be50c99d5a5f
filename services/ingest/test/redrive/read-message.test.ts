import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '@millrace/observability';
import { readMqttRoutes } from '../../src/mqtt/routes-file.ts';
import { createSparkplugHost } from '../../src/mqtt/sparkplug/host.ts';
import { createMessageReader } from '../../src/redrive/read-message.ts';
import { NOW_MS, READING } from '../fixtures.ts';

const options = { nowMs: NOW_MS, maxAgeMs: 86_400_000, tokenizeCard: () => 'token' };
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const { device_id, ...reading } = READING;

function reader(routes: object) {
  const sparkplug = createSparkplugHost({ metrics: createMetrics('ingest'), nowMs: () => NOW_MS });
  return createMessageReader({ routes: readMqttRoutes(routes), readSparkplug: sparkplug.read });
}

test('a message is read by the routes and the mapping of now', async () => {
  const topic = 'site-7/device-1/up';
  const foreign = json({ at: READING.event_time, n: 7, t: 21.5 });
  const read = (mapping: string) =>
    reader({ routes: [{ topic: '{site}/{device_id}/up', payload: 'telemetry', mapping }] })(
      { topic, device_id },
      foreign,
      options,
    );
  const wrong = await read('{ "event_time": when, "metrics": { "temperature": t } }');
  assert.ok('refusals' in wrong && wrong.refusals[0]?.reason === 'mapping-failed');
  const mended = await read('{ "event_time": at, "sequence": n, "metrics": { "temperature": t } }');
  assert.ok('readings' in mended);
  assert.deepEqual(mended.readings, [READING]);

  const unrouted = await reader({ routes: [{ topic: 'devices/{device_id}/up', payload: 'telemetry' }] })(
    { topic },
    json(reading),
    options,
  );
  assert.ok('refusals' in unrouted && unrouted.refusals[0]?.reason === 'unknown-topic');
});

test('a message in a topic of another device than the one that published it stays refused', async () => {
  const read = reader({ routes: [{ topic: 'devices/{device_id}/telemetry', payload: 'telemetry' }] });
  const topic = 'devices/device-1/telemetry';
  const spied = await read({ topic, device_id: 'spy' }, json(reading), options);
  assert.ok('refusals' in spied && spied.refusals[0]?.reason === 'foreign-topic');
  for (const origin of [{ topic, device_id }, { topic }]) {
    const own = await read(origin, json(reading), options);
    assert.ok('readings' in own);
    assert.deepEqual(own.readings, [READING]);
  }
});

test('births and deaths of Sparkplug have passed, and data without its birth is refused again', async () => {
  const read = reader({
    routes: [{ topic: 'spBv1.0/{group_id}/{message_type}/{edge_node_id}/{device_id}', payload: 'sparkplug-b' }],
  });
  for (const type of ['NBIRTH', 'NDEATH']) {
    const passed = await read({ topic: `spBv1.0/plant/${type}/node` }, Buffer.alloc(0), options);
    assert.ok('outOfDate' in passed, type);
  }
  const data = await read({ topic: 'spBv1.0/plant/NDATA/node' }, Buffer.from([0xff, 0xff]), options);
  assert.ok('refusals' in data && data.refusals[0]?.reason === 'malformed-sparkplug');
});
