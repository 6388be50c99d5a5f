import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { allTopics, createTopics, ensureTopics, samples, type TopicContract } from '@millrace/contracts';
import { createKafka, type InRecord } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger } from '@millrace/observability';
import { createEventKinds } from '../../src/event-kinds.ts';
import type { Letter } from '../../src/redrive/letter.ts';
import { createLetterReader } from '../../src/redrive/read-letter.ts';
import { createRedriver } from '../../src/redrive/redriver.ts';

export const logger = createLogger({ service: 'test', level: 'silent' });

/** Topics of its own in the real Kafka, and redrivers on them. */
export async function createRedriveWorld(t: TestContext) {
  const prefix = `redrive-${randomUUID().slice(0, 8)}.`;
  const topics = createTopics({ prefix });
  const kafka = createKafka({ brokers: testStack().kafkaBrokers, clientId: prefix, logger });
  const admin = await kafka.admin();
  t.after(async () => {
    await admin.deleteTopics(allTopics(topics).map(({ name }) => name));
    await admin.close();
  });
  await ensureTopics(admin, topics);

  const createOne = (on: Parameters<typeof createRedriver>[0]['kafka'] = kafka) =>
    createRedriver({
      kafka: on,
      topics,
      readLetter: createLetterReader({
        topics,
        kinds: createEventKinds(topics),
        readMqtt: () => ({ readings: [], refusals: [{ reason: 'unknown-topic', message: 'no' }] }),
        tokenizeCard: () => 'token',
        nowMs: Date.now,
      }),
      nowMs: Date.now,
      logger,
    });

  /** Everything that is committed in a topic, partition by partition. */
  async function readTopic({ name }: TopicContract<never> | { readonly name: string }): Promise<InRecord[]> {
    const reader = await kafka.reader({ isolation: 'read_committed' });
    const missing = new Map((await admin.offsets(name)).map(({ partition, end }) => [partition, end]));
    reader.assign([...missing.keys()].map((partition) => ({ topic: name, partition, offset: 'start' })));
    const records: InRecord[] = [];
    while (missing.size > 0) {
      for (const batch of await reader.poll({ maxWaitMs: 200 })) {
        records.push(...batch.records);
        if (batch.nextOffset >= (missing.get(batch.partition) ?? 0)) missing.delete(batch.partition);
      }
    }
    await reader.close();
    return records;
  }

  return { prefix, topics, kafka, admin, createRedriver: createOne, readTopic };
}

/** Payments that a stage has put aside although they are right, as after a mended bug. */
export function paymentLetters(topic: string, count: number, stages: readonly string[] = ['payments']): Letter[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `${topic}:0:${index}`,
    origin: { kind: 'kafka', topic, partition: 0, offset: index },
    stages: [...stages],
    value_base64: base64({ ...samples.payment, transaction_id: `t-${index}` }),
    headers: { schema: 'payment.v1', traceparent: TRACEPARENT, ingested_at: '1772366400120' },
    failed_at: Date.now() - 1_000,
  }));
}

export const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

export function base64(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64');
}

export function headerOf({ headers }: InRecord, name: string): string | undefined {
  return headers[name]?.toString();
}
