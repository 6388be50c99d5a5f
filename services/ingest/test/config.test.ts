import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { configTable, isLoopback } from '@millrace/observability';
import { configSchema, readConfig } from '../src/config.ts';

test('without any setting, ingest listens on loopback only', () => {
  const config = readConfig({});
  assert.equal(config.HOST, '127.0.0.1');
  assert.deepEqual(
    [config.HTTP_PORT, config.MQTT_PORT, config.MQTT_WS_PORT, config.MQTT_TLS_PORT],
    [8080, 1883, 8083, 8883],
  );
  assert.equal(config.MQTT_URL, undefined);
});

test('on any other address it refuses to start without keys, credentials and a secret of its own, and says so at once', () => {
  assert.throws(
    () => readConfig({ HOST: '0.0.0.0' }),
    (error: Error) => {
      for (const variable of ['API_KEYS_FILE', 'DEVICE_CREDENTIALS_FILE', 'CARD_TOKEN_SECRET']) {
        assert.match(error.message, new RegExp(`${variable} is needed when HOST is 0\\.0\\.0\\.0`));
      }
      return true;
    },
  );
  const open = { HOST: '0.0.0.0', API_KEYS_FILE: 'keys.json', CARD_TOKEN_SECRET: 'x'.repeat(32) };
  assert.throws(() => readConfig(open), /DEVICE_CREDENTIALS_FILE/);
  assert.equal(readConfig({ ...open, DEVICE_CREDENTIALS_FILE: 'devices.json' }).HOST, '0.0.0.0');
  assert.equal(readConfig({ ...open, MQTT_URL: 'mqtt://broker:1883' }).MQTT_URL, 'mqtt://broker:1883');
});

test('a secret is never in the message about it', () => {
  assert.throws(
    () => readConfig({ CARD_TOKEN_SECRET: 'too short' }),
    (error: Error) => /CARD_TOKEN_SECRET/.test(error.message) && !error.message.includes('too short'),
  );
});

test('the TLS port needs certificate and key', () => {
  assert.throws(() => readConfig({ MQTT_TLS_CERT_FILE: 'cert.pem' }), /MQTT_TLS_KEY_FILE is not set/);
});

test("HTTP's TLS needs certificate and key, and client certificates need both TLS and their issuers", () => {
  assert.throws(() => readConfig({ HTTP_TLS_KEY_FILE: 'key.pem' }), /HTTP_TLS_CERT_FILE is not set/);
  assert.throws(() => readConfig({ HTTP_CLIENT_CA_FILE: 'ca.pem' }), /HTTP_CLIENT_CA_FILE needs TLS/);
  const tls = { HTTP_TLS_CERT_FILE: 'cert.pem', HTTP_TLS_KEY_FILE: 'key.pem' };
  assert.throws(
    () => readConfig({ ...tls, HTTP_CLIENT_CERT: 'required' }),
    /HTTP_CLIENT_CERT needs to know the issuers/,
  );
  const mutual = { ...tls, HTTP_CLIENT_CA_FILE: 'ca.pem', HTTP_CLIENT_CERT: 'required' };
  assert.equal(readConfig(mutual).HTTP_CLIENT_CERT, 'required');
});

test('loopback is what only this machine reaches', () => {
  assert.deepEqual(['127.0.0.1', '127.1.2.3', '::1', 'localhost'].map(isLoopback), [true, true, true, true]);
  assert.deepEqual(['0.0.0.0', '::', '10.0.0.1', '127.example.org', ''].map(isLoopback), [
    false,
    false,
    false,
    false,
    false,
  ]);
});

test('the README has the settings as they are', async () => {
  const rows = (text: string) => text.match(/^\| `[A-Z_]+`.*$/gm)?.map((row) => row.replaceAll(/\s+/g, ' '));
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  assert.deepEqual(rows(readme), rows(configTable(configSchema)));
});
