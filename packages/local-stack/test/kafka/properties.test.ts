import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serverProperties } from '../../src/kafka/properties.ts';

const options = { host: '127.0.0.1', logDir: 'log' };

function propertiesOf(ports: Parameters<typeof serverProperties>[0]['ports']): Map<string, string> {
  const lines = serverProperties({ ...options, ports })
    .trim()
    .split('\n');
  return new Map(lines.map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]));
}

test('a broker listens on loopback, and sends clients to where they have come from', () => {
  const properties = propertiesOf({ broker: 9092, controller: 9093 });
  const listeners = 'PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093';
  assert.equal(properties.get('listeners'), listeners);
  assert.equal(properties.get('advertised.listeners'), listeners);
});

test('clients of the detour are sent to its other port, the broker itself is not', () => {
  const properties = propertiesOf({ broker: 9092, controller: 9093, detour: { listen: 9094, advertise: 9095 } });
  assert.match(properties.get('listeners') ?? '', /,DETOUR:\/\/127\.0\.0\.1:9094$/);
  assert.match(properties.get('advertised.listeners') ?? '', /,DETOUR:\/\/127\.0\.0\.1:9095$/);
  assert.equal(properties.get('inter.broker.listener.name'), 'PLAINTEXT');
  assert.match(properties.get('advertised.listeners') ?? '', /^PLAINTEXT:\/\/127\.0\.0\.1:9092,/);
});
