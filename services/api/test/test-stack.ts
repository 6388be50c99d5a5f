import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createTopics, type TopicContract } from '@millrace/contracts';
import { createKafka, type Kafka } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createWarehouse, type TableName, type Warehouse } from '@millrace/warehouse';
import { logger } from './fixtures.ts';

/** A migrated database of its own, dropped after the test. */
export async function testWarehouse(t: TestContext): Promise<Warehouse> {
  const database = `test_${randomBytes(6).toString('hex')}`;
  const warehouse = createWarehouse({ url: testStack().clickhouseUrl, database, logger });
  t.after(async () => {
    await warehouse.query(`DROP DATABASE IF EXISTS ${database}`);
    await warehouse.close();
  });
  await warehouse.migrate();
  return warehouse;
}

/** Stores rows as the sink does, each behind the last one of its table. */
export function createStore(warehouse: Warehouse) {
  const offsets = new Map<TableName, number>();
  return async (table: TableName, rows: readonly object[]): Promise<void> => {
    const start = offsets.get(table) ?? 0;
    offsets.set(table, start + rows.length);
    const position = (index: number) =>
      table === 'ledger' ? {} : { _topic: table, _partition: (start + index) % 2, _offset: start + index };
    const lines = rows.map((row, index) => JSON.stringify({ ...position(index), ...row }));
    await warehouse.insertRows(table, Buffer.from(lines.join('\n')));
  };
}

/** Topics of its own on the real Kafka, and a way to write to them. */
export async function testKafka(t: TestContext) {
  const kafka: Kafka = createKafka({ brokers: testStack().kafkaBrokers, clientId: 'test', logger });
  const topics = createTopics({ prefix: `test-${randomBytes(6).toString('hex')}-`, partitions: 2 });
  const [admin, producer] = await Promise.all([kafka.admin(), kafka.producer()]);
  const live = [topics.fraudAlerts, topics.telemetryAlerts, topics.fraudDecisions];
  // Hooks run in the order in which they were registered: a feed that still reads then is closed after this one.
  t.after(async () => {
    await producer.close();
    await admin.deleteTopics(live.map(({ name }) => name));
    await admin.close();
  });
  await admin.createTopics(live.map(({ name, partitions, config }) => ({ name, partitions, config })));
  return {
    kafka,
    topics,
    write: <T>(topic: TopicContract<T>, ...values: T[]) =>
      producer.send([
        {
          topic: topic.name,
          records: values.map((value) => ({
            key: topic.key(value),
            value: topic.encode(value),
            timestampMs: topic.timestampMs(value),
          })),
        },
      ]),
  };
}

const WAIT_MS = 30_000;

/** Asks until `holds` does; the last answer is in the error. */
export async function eventually<T>(ask: () => T | Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  const until = Date.now() + WAIT_MS;
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (Date.now() > until) throw new Error(`still not so after ${WAIT_MS} ms: ${JSON.stringify(answer)}`);
    await delay(50);
  }
}
