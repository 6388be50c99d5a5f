import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { AGE_MAX_MS } from '@millrace/contracts';
import { readMappedMessage } from '../../src/mqtt/mapped-message.ts';
import { readMqttRoutes } from '../../src/mqtt/routes-file.ts';
import { NOW_MS } from '../fixtures.ts';

const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
const section = readme.slice(readme.indexOf('## Topics and payloads'), readme.indexOf('## Settings'));
const [routes, uplink, route, reading] = [...section.matchAll(/```json\n(.*?)```/gs)].map(([, json = '']) =>
  JSON.parse(json),
);

test('the routes in the README are routes', () => {
  assert.deepEqual(readMqttRoutes(routes).filters().slice(0, 3), ['devices/+/telemetry', 'devices/+/status', '+/+/up']);
});

test('the example of the README becomes what the README says', async () => {
  const topic = readMqttRoutes({ routes: [route] }).match('v3/cold-chain/devices/fridge-12/up');
  assert.ok(topic?.kind === 'telemetry' && topic.mapping);
  const options = { nowMs: NOW_MS, maxAgeMs: AGE_MAX_MS, tokenizeCard: (digits: string) => digits };
  const payload = Buffer.from(JSON.stringify(uplink));
  const message = await readMappedMessage(topic, topic.mapping, payload, options);
  assert.deepEqual(JSON.parse(JSON.stringify(message)), { readings: [reading], refusals: [] });
});
