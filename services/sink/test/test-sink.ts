import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  allTopics,
  createTopics,
  ensureTopics,
  recordHeaders,
  type TopicContract,
  type Topics,
} from '@millrace/contracts';
import { createKafka, type KafkaAdmin, type OutRecord, type Producer } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createWarehouse, type TableName, type Warehouse } from '@millrace/warehouse';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const WAIT_MS_MAX = 60_000;
export const INGESTED_AT_MS = 1_772_000_000_000;

export interface TestSink {
  readonly topics: Topics;
  readonly groupId: string;
  readonly producer: Producer;
  readonly admin: KafkaAdmin;
  readonly warehouse: Warehouse;
  /** Starts a sink in a process of its own; ends with the test. */
  start(env?: Readonly<Record<string, string>>): ChildProcess;
  count(table: TableName): Promise<number>;
  /** Resolves when the table has at least so many rows. */
  waitForRows(table: TableName, rows: number): Promise<void>;
}

/** Topics and a database of their own names, both removed when the test ends. */
export async function createTestSink(t: TestContext): Promise<TestSink> {
  const { kafkaBrokers, clickhouseUrl } = testStack();
  const name = `sink_${randomBytes(5).toString('hex')}`;
  const topics = createTopics({ prefix: `${name}.`, partitions: 2 });
  const kafka = createKafka({ brokers: kafkaBrokers, clientId: name, logger: silent });
  const admin = await kafka.admin();
  await ensureTopics(admin, topics);
  const producer = await kafka.producer();
  const warehouse = createWarehouse({ url: clickhouseUrl, database: name, logger: silent });
  const processes: ChildProcess[] = [];
  t.after(async () => {
    await Promise.all(processes.map((child) => stop(child, 'SIGKILL')));
    await producer.close();
    await admin.deleteTopics(allTopics(topics).map((topic) => topic.name));
    await admin.close();
    await warehouse.close();
    await fetch(clickhouseUrl, { method: 'POST', body: `DROP DATABASE IF EXISTS ${name}` });
  });

  const count = async (table: TableName): Promise<number> => {
    const [answer] = await warehouse.query<{ rows: number }>(`SELECT count() AS rows FROM ${table}`);
    return answer?.rows ?? 0;
  };
  await warehouse.migrate();
  return {
    topics,
    groupId: `${name}.sink`,
    producer,
    admin,
    warehouse,
    count,
    start: (env = {}) => {
      const child = spawn(process.execPath, [MAIN], {
        env: {
          PATH: process.env.PATH,
          KAFKA_BROKERS: kafkaBrokers.join(','),
          CLICKHOUSE_URL: clickhouseUrl,
          CLICKHOUSE_DATABASE: name,
          TOPIC_PREFIX: `${name}.`,
          TOPIC_PARTITIONS: '2',
          METRICS_PORT: '0',
          LOG_LEVEL: 'warn',
          ...env,
        },
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      processes.push(child);
      return child;
    },
    waitForRows: async (table, rows) => {
      const endsAt = Date.now() + WAIT_MS_MAX;
      for (let found = await count(table); found < rows; found = await count(table)) {
        if (Date.now() > endsAt) throw new Error(`${table} has ${found} of ${rows} rows after ${WAIT_MS_MAX} ms`);
        await delay(100);
      }
    },
  };
}

/** A value as our services write it. */
export function recordOf<T>(contract: TopicContract<T>, value: T): OutRecord {
  return {
    key: contract.key(value),
    value: contract.encode(value),
    timestampMs: contract.timestampMs(value),
    headers: recordHeaders({ schema: contract.schema, eventId: contract.eventId(value), ingestedAtMs: INGESTED_AT_MS }),
  };
}

export async function stop(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
  return child.exitCode;
}

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
