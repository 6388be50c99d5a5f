import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OutsideParts } from '../../src/config.ts';
import { parseStartFlags } from '../../src/flags.ts';
import { stackPorts } from '../../src/ports.ts';
import { listenPorts, serviceParts, stackAddresses } from '../../src/supervisor/plan.ts';

const NOTHING_OUTSIDE: OutsideParts = { kafkaBrokers: undefined, clickhouseUrl: undefined, mqttUrl: undefined };
const ports = stackPorts(21_000);

function plan(args: string[], outside = NOTHING_OUTSIDE) {
  return serviceParts({
    flags: parseStartFlags(args, '/data'),
    ports,
    addresses: stackAddresses(ports, outside),
    folder: { dataDir: '/data', logsDir: '/data/logs' },
    extraMetricsPorts: [30_001, 30_002],
  });
}

test('each service is one process that listens on loopback and finds the local Kafka and ClickHouse', () => {
  const parts = plan([]);
  assert.deepEqual(
    parts.map((part) => part.name),
    ['ingest', 'enricher', 'fraud-detector', 'sink', 'api'],
  );
  const [ingest] = parts;
  assert.deepEqual(ingest?.program, { kind: 'node', file: 'services/ingest/src/main.ts', args: [] });
  assert.deepEqual(ingest?.env, {
    HOST: '127.0.0.1',
    METRICS_PORT: '21011',
    KAFKA_BROKERS: '127.0.0.1:21005',
    CLICKHOUSE_URL: 'http://127.0.0.1:21007',
    HTTP_PORT: '21000',
    MQTT_PORT: '21002',
    MQTT_WS_PORT: '21003',
    MQTT_TLS_PORT: '21004',
    API_URL: 'http://127.0.0.1:21001',
  });
});

test('instances multiply enricher and fraud-detector, each with a metrics port of its own', () => {
  const parts = plan(['--instances', '2']);
  assert.deepEqual(
    parts.map((part) => `${part.name} ${part.env.METRICS_PORT}`),
    [
      'ingest 21011',
      'enricher 21012',
      'enricher-2 30001',
      'fraud-detector 21013',
      'fraud-detector-2 30002',
      'sink 21014',
      'api 21015',
    ],
  );
});

test('what runs outside is used by its address, and its local port is not asked for', () => {
  const outside = {
    kafkaBrokers: 'k1:9092,k2:9092',
    clickhouseUrl: 'http://user:secret@warehouse:8123',
    mqttUrl: 'mqtt://broker',
  };
  const [ingest] = plan([], outside);
  assert.equal(ingest?.env.KAFKA_BROKERS, 'k1:9092,k2:9092');
  assert.equal(ingest?.env.CLICKHOUSE_URL, 'http://user:secret@warehouse:8123');
  assert.deepEqual(listenPorts(ports, outside), {
    'ingest HTTP': 21_000,
    'api and console': 21_001,
    'metrics of ingest': 21_011,
    'metrics of enricher': 21_012,
    'metrics of fraud-detector': 21_013,
    'metrics of sink': 21_014,
    'metrics of api': 21_015,
  });
  assert.equal(Object.keys(listenPorts(ports, NOTHING_OUTSIDE)).length, 12);
});
