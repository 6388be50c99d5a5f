import type { TestContext } from 'node:test';
import { createKafka, type Kafka } from '@millrace/kafka';
import type { Platform } from '@millrace/test-platform';

/** A client of the platform's Kafka, past everything that the platform does. What it has to say goes to the test. */
export function kafkaOf(t: TestContext, platform: Platform): Kafka {
  const say = (fields: object, message: string) => t.diagnostic(`Kafka: ${message} ${JSON.stringify(fields)}`);
  const logger = { debug: () => undefined, info: () => undefined, warn: say, error: say };
  return createKafka({ brokers: [platform.kafka], clientId: 'end-to-end', logger });
}

/** How many records a topic has taken in its life. */
export async function recordsIn(t: TestContext, platform: Platform, topic: string): Promise<number> {
  const admin = await kafkaOf(t, platform).admin();
  try {
    return (await admin.offsets(topic)).reduce((sum, { end }) => sum + end, 0);
  } finally {
    await admin.close();
  }
}
