import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLambdaConfig } from '../../src/lambda/config.ts';

test('a function takes nothing without keys and a secret of its own, and says all that is missing at once', () => {
  assert.throws(
    () => readLambdaConfig({}),
    (error: Error) =>
      /API_KEYS_FILE is not set/.test(error.message) && /CARD_TOKEN_SECRET is not set/.test(error.message),
  );
  const config = readLambdaConfig({
    API_KEYS_FILE: '/opt/api-keys.json',
    CARD_TOKEN_SECRET: 'x'.repeat(32),
    KAFKA_BROKERS: 'b-1.kafka.example.internal:9096',
    KAFKA_TLS: 'true',
  });
  assert.deepEqual([config.API_KEYS_FILE, config.KAFKA_TLS], ['/opt/api-keys.json', true]);
});
