import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadMqttRoutes, readMqttRoutes } from '../../src/mqtt/routes-file.ts';

const routes = (...list: object[]) => readMqttRoutes({ routes: list });
const faultsOf = (content: unknown, options = {}): string => {
  try {
    readMqttRoutes(content, options);
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'routes-file');
    return (error as Error).message;
  }
  return 'none';
};

test('without a file a device has two topics', async () => {
  const { match, filters } = await loadMqttRoutes(undefined);
  assert.deepEqual(filters(), ['devices/+/telemetry', 'devices/+/status']);
  const found = match('devices/device-1/telemetry');
  assert.deepEqual([found?.kind, found?.deviceId, found?.publisherId], ['telemetry', 'device-1', 'device-1']);
  assert.equal(match('devices/a.b:c_d-9/status')?.deviceId, 'a.b:c_d-9');
  for (const topic of [
    'devices/device-1/commands',
    'devices/device-1/telemetry/more',
    'devices//telemetry',
    'devices/a b/telemetry',
    `devices/${'x'.repeat(129)}/telemetry`,
    'devices/device-1',
    'things/device-1/telemetry',
    '/devices/device-1/telemetry',
    `devices/${'/'.repeat(60_000)}`,
  ]) {
    assert.equal(match(topic), undefined, topic);
  }
});

test('a route gives the other levels of its topic by name', () => {
  const { match } = routes(
    { topic: '{site}/{device_id}/up', payload: 'telemetry' },
    { topic: '{site}/{device_id}/state', payload: 'status' },
  );
  const up = match('plant-7/pump/up');
  assert.ok(up?.kind === 'telemetry');
  assert.deepEqual([up.deviceId, up.levels, up.route], ['pump', { site: 'plant-7' }, '{site}/{device_id}/up']);
  assert.equal(match('plant-7/pump/state')?.kind, 'status');
});

test('the answer for a topic stays the same, also when more topics come than are remembered', () => {
  const { match } = routes({ topic: '{site}/{device_id}/up', payload: 'telemetry' });
  for (const round of [1, 2, 3]) {
    for (let device = 0; device < 30_000; device += 1) match(`s/${round}-${device}/up`);
    const found = match('s/same/up');
    assert.ok(found?.kind === 'telemetry');
    assert.deepEqual([found.deviceId, found.levels], ['same', { site: 's' }]);
    assert.equal(match('s/no id/up'), undefined);
  }
});

test('Sparkplug says in its own topics whose message it is, and who may send it', () => {
  const { match, filters, hasSparkplug } = routes({
    topic: 'spBv1.0/{group_id}/{message_type}/{edge_node_id}/{device_id}',
    payload: 'sparkplug-b',
  });
  assert.equal(hasSparkplug, true);
  assert.deepEqual(filters(), [
    'spBv1.0/+/NBIRTH/+',
    'spBv1.0/+/NDATA/+',
    'spBv1.0/+/NDEATH/+',
    'spBv1.0/+/DBIRTH/+/+',
    'spBv1.0/+/DDATA/+/+',
    'spBv1.0/+/DDEATH/+/+',
  ]);
  const node = match('spBv1.0/Plant 1/NDATA/Edge');
  assert.deepEqual([node?.deviceId, node?.publisherId], ['Plant_x20_1:Edge', 'Plant_x20_1:Edge']);
  const device = match('spBv1.0/Plant 1/DDATA/Edge/Pump:7');
  assert.deepEqual([device?.deviceId, device?.publisherId], ['Plant_x20_1:Edge:Pump_x3A_7', 'Plant_x20_1:Edge']);
  for (const topic of [
    'spBv1.0/g/NCMD/e',
    'spBv1.0/g/DCMD/e/d',
    'spBv1.0/STATE/host',
    'spBv1.0/g/NDATA/e/d',
    'spBv1.0/g/DDATA/e',
    'spBv1.0/g/DDATA/e/',
    'spBv1.0/g/DDATA/e/d/x',
    'spAv1.0/g/NDATA/e',
    `spBv1.0/g/NDATA/${'e'.repeat(127)}`,
  ]) {
    assert.equal(match(topic), undefined, topic);
  }
  const one = routes({ topic: 'spBv1.0/g/{message_type}/{edge_node_id}/{device_id}', payload: 'sparkplug-b' });
  assert.equal(one.match('spBv1.0/g/NDATA/e')?.deviceId, 'g:e');
  assert.equal(one.match('spBv1.0/h/NDATA/e'), undefined);
  assert.equal(one.filters()[0], 'spBv1.0/g/NBIRTH/+');
});

test('every fault of the file is reported at once, each with its remedy', () => {
  const message = faultsOf({
    routes: [
      { topic: 'a/+/{device_id}', payload: 'telemetry' },
      { topic: 'b/{device_id}', payload: 'status', mapping: '$' },
      { topic: 'c/{device_id}', payload: 'telemetry', mapping: '{\n  "metrics": ]' },
      { topic: 'spBv1.0/#', payload: 'sparkplug-b' },
    ],
  });
  assert.match(message, /routes\/0 \(a\/\+\/\{device_id\}\): has \+, # or NUL in it; write \{a_name\}/);
  assert.match(message, /routes\/1 \(b\/\{device_id\}\): a mapping makes telemetry of JSON; remove it/);
  assert.match(message, /routes\/2 .*mapping is no JSONata expression: S0211 .*at line 2, column 14; correct it/);
  assert.match(message, /routes\/3 .*is not Sparkplug's namespace; write spBv1\.0\/\{group_id\}/);
});

test('what does not fit the form of the file is named by its place', () => {
  const message = faultsOf({
    routes: [
      { topic: 'a/{device_id}', payload: 'json' },
      { payload: 'status', extra: 1 },
    ],
  });
  assert.match(message, /routes\/0\/payload .*telemetry,status,sparkplug-b/);
  assert.match(message, /routes\/1 .*topic/);
  assert.match(message, /routes\/1 .*extra/);
  const beside = faultsOf({ routes: [{ topic: 'a/b', payload: 'telemetry' }, 7] });
  assert.match(beside, /routes\/1 must be object/);
  assert.match(beside, /routes\/0 \(a\/b\): has no \{device_id\}/);
  assert.match(faultsOf({ routes: [] }), /routes must not have fewer than 1 items/);
  assert.match(faultsOf([]), /must be object/);
});

test('routes that could be meant by the same topic are refused', () => {
  const plain = { topic: 'spBv1.0/{site}/NDATA/{device_id}', payload: 'telemetry' };
  const sparkplug = { topic: 'spBv1.0/{group_id}/{message_type}/{edge_node_id}/{device_id}', payload: 'sparkplug-b' };
  const group = { ...sparkplug, topic: 'spBv1.0/g/{message_type}/{edge_node_id}/{device_id}' };
  const other = { ...sparkplug, topic: 'spBv1.0/h/{message_type}/{edge_node_id}/{device_id}' };
  const both = /can be the same topic; give them a literal level in which they differ/;
  assert.match(
    faultsOf({
      routes: [
        { topic: 'x/{device_id}', payload: 'status' },
        { topic: '{site}/{device_id}', payload: 'telemetry' },
      ],
    }),
    both,
  );
  assert.match(faultsOf({ routes: [plain, sparkplug] }), both);
  assert.match(faultsOf({ routes: [group, sparkplug] }), both);
  assert.equal(faultsOf({ routes: [group, other, { topic: 'x/{device_id}', payload: 'status' }] }), 'none');
});

test('a shared subscription and Sparkplug do not go together', () => {
  const content = {
    routes: [{ topic: 'spBv1.0/{group_id}/{message_type}/{edge_node_id}/{device_id}', payload: 'sparkplug-b' }],
  };
  assert.match(faultsOf(content, { shareGroup: 'ingest' }), /leave MQTT_SHARE_GROUP unset/);
  assert.equal(faultsOf(content), 'none');
});

test('a file that is not there, or not JSON, is named with its setting', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'routes-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'routes.json');
  await assert.rejects(loadMqttRoutes(file), { code: 'routes-file', message: /MQTT_ROUTES_FILE: .*cannot be read/ });
  await writeFile(file, '{"routes": [');
  await assert.rejects(loadMqttRoutes(file), { code: 'routes-file', message: /MQTT_ROUTES_FILE: .*is not JSON/ });
  await writeFile(file, '{"routes": [{"topic": "x/{device_id}", "payload": "status"}]}');
  assert.deepEqual((await loadMqttRoutes(file)).filters(), ['x/+']);
});
