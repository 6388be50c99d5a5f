import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configTable, loadConfig, ObservabilityError, settings } from '@millrace/observability';
import { Type } from 'typebox';

const schema = Type.Object({
  BROKERS: Type.Array(Type.String({ minLength: 1 }), { default: ['a:1'], minItems: 1, description: 'Where to start.' }),
  LINGER_MS: Type.Integer({ default: 5, minimum: 0, maximum: 1000, unit: 'ms', description: 'How long to wait.' }),
  RATIO: Type.Number({ default: 0.5, minimum: 0, maximum: 1, description: 'Share of traces kept.' }),
  TLS: Type.Boolean({ default: false, description: 'Encrypts.' }),
  MODE: Type.Union([Type.Literal('fast'), Type.Literal('safe')], { default: 'safe', description: 'How.' }),
  SECRET: Type.String({ minLength: 8, secret: true, description: 'Key of the token.' }),
  OUTSIDE_URL: Type.Optional(Type.String({ description: 'Use this one instead.' })),
});

test('a configuration is converted to its types and takes defaults where a variable is unset or empty', () => {
  const config = loadConfig(schema, {
    BROKERS: 'x:1, y:2',
    LINGER_MS: '7',
    TLS: '1',
    SECRET: 'long enough',
    RATIO: '',
  });
  assert.deepEqual(
    { ...config },
    { BROKERS: ['x:1', 'y:2'], LINGER_MS: 7, RATIO: 0.5, TLS: true, MODE: 'safe', SECRET: 'long enough' },
  );
});

test('a configuration is frozen, its lists too', () => {
  const config = loadConfig(schema, { SECRET: 'long enough' });
  assert.throws(() => Object.assign(config, { LINGER_MS: 1 }), TypeError);
  assert.throws(() => config.BROKERS.push('z:9'), TypeError);
  assert.deepEqual(schema.properties.BROKERS, { ...schema.properties.BROKERS, default: ['a:1'] });
});

test('all faults are reported together, each with its variable and its remedy, and no secret is shown', () => {
  assert.throws(
    () => loadConfig(schema, { LINGER_MS: 'soon', RATIO: '2', TLS: 'yes', MODE: 'slow', SECRET: 'hunter2' }),
    (error: unknown) => {
      assert.ok(error instanceof ObservabilityError);
      assert.equal(error.code, 'invalid-config');
      assert.equal(
        error.message,
        [
          'The configuration has 5 faults:',
          '  LINGER_MS "soon" does not fit. Set LINGER_MS to an integer from 0 to 1000 (ms). How long to wait.',
          '  RATIO "2" does not fit. Set RATIO to a number from 0 to 1. Share of traces kept.',
          '  TLS "yes" does not fit. Set TLS to true or false. Encrypts.',
          '  MODE "slow" does not fit. Set MODE to one of fast, safe. How.',
          '  SECRET its value does not fit. Set SECRET to a text. Key of the token.',
        ].join('\n'),
      );
      return true;
    },
  );
});

test('a required variable that is missing is a fault', () => {
  assert.throws(() => loadConfig(schema, {}), /SECRET is not set\. Set SECRET to a text\./);
});

test('rules over several values are reported together once each value is right', () => {
  const check = () => [
    { variable: 'HOST', problem: 'is not loopback', remedy: 'Set API_KEYS_FILE.' },
    { variable: 'TLS', problem: 'is off', remedy: 'Set TLS to true.' },
  ];
  assert.throws(
    () => loadConfig(schema, { SECRET: 'long enough' }, { check }),
    /2 faults:\n {2}HOST is not loopback\. Set API_KEYS_FILE\.\n {2}TLS is off\. Set TLS to true\./,
  );
});

test('a setting without a description is a fault of the program', () => {
  assert.throws(() => loadConfig(Type.Object({ X: Type.String({ default: '' }) }), {}), TypeError);
});

test('the shared settings load from an empty environment', () => {
  const all = Type.Object({
    ...settings.kafka,
    ...settings.clickhouse,
    ...settings.process,
    ...settings.metricsPort(9404),
    ...settings.httpPort(8080),
  });
  assert.deepEqual(
    { ...loadConfig(all, {}) },
    {
      KAFKA_BROKERS: ['127.0.0.1:9092'],
      TOPIC_PREFIX: '',
      TOPIC_PARTITIONS: 4,
      CLICKHOUSE_URL: 'http://127.0.0.1:8123',
      CLICKHOUSE_DATABASE: 'millrace',
      LOG_LEVEL: 'info',
      HOST: '127.0.0.1',
      METRICS_PORT: 9404,
      HTTP_PORT: 8080,
    },
  );
});

test('the table of a schema says default, value and meaning of every setting', () => {
  assert.equal(
    configTable(Type.Pick(schema, ['BROKERS', 'LINGER_MS', 'MODE', 'SECRET', 'OUTSIDE_URL'])),
    [
      '| variable | default | value | what it does |',
      '| --- | --- | --- | --- |',
      '| `BROKERS` | `a:1` | a comma separated list | Where to start. |',
      '| `LINGER_MS` | `5` | an integer from 0 to 1000 (ms) | How long to wait. |',
      '| `MODE` | `safe` | one of fast, safe | How. |',
      '| `SECRET` | **required** | a text | Key of the token. |',
      '| `OUTSIDE_URL` | unset | a text | Use this one instead. |',
    ].join('\n'),
  );
});
