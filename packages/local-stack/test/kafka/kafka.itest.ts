import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kafkaAnswers } from '../../src/kafka/ready.ts';
import { freePorts } from '../../src/ports.ts';
import { testStack } from '../../src/test-stack.ts';

test('the Kafka of the test run answers, and a port that nobody listens on does not', async () => {
  const [broker = ''] = testStack().kafkaBrokers;
  const [host = '', port] = broker.split(':');
  assert.equal(await kafkaAnswers({ host, port: Number(port) }), true);
  const [free = 0] = await freePorts(1);
  assert.equal(await kafkaAnswers({ host, port: free }), false);
});

test('the ClickHouse of the test run answers', async () => {
  const response = await fetch(`${testStack().clickhouseUrl}/ping`);
  assert.equal(response.status, 200);
  assert.equal(await response.text(), 'Ok.\n');
});
