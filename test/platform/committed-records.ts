import assert from 'node:assert/strict';
import { createKafka, type InRecord, type PartitionReader } from '@millrace/kafka';

const POLL_MS = 500;

/** Committed records of some topics, by `partition@offset`. */
export interface CommittedRecords {
  of(topic: string): ReadonlySet<string>;
}

/** Reads topics of the Kafka at `broker` (host:port) from their beginning to their end of now, what was committed only. */
export async function readCommitted(
  broker: string,
  topics: readonly string[],
  onRecord: (record: InRecord) => void = () => undefined,
): Promise<CommittedRecords> {
  const silent = () => undefined;
  const logger = { debug: silent, info: silent, warn: silent, error: silent };
  const kafka = createKafka({ brokers: [broker], clientId: 'test-platform', logger });
  const places = new Map<string, Set<string>>(topics.map((topic) => [topic, new Set()]));
  const admin = await kafka.admin();
  const reader = await kafka.reader({ isolation: 'read_committed' });
  try {
    for (const topic of topics) {
      const partitions = (await admin.partitions(topic)) ?? assert.fail(`there is no topic ${topic}`);
      await readTopic(reader, topic, partitions, (record) => {
        places.get(topic)?.add(`${record.partition}@${record.offset}`);
        onRecord(record);
      });
    }
  } finally {
    await reader.close();
    await admin.close();
  }
  return { of: (topic) => places.get(topic) ?? assert.fail(`${topic} was not read`) };
}

async function readTopic(
  reader: PartitionReader,
  topic: string,
  partitions: number,
  onRecord: (record: InRecord) => void,
): Promise<void> {
  const waiting = new Set(Array.from({ length: partitions }, (_, partition) => partition));
  reader.assign([...waiting].map((partition) => ({ topic, partition, offset: 'start' })));
  while (waiting.size > 0) {
    for (const { partition, records, nextOffset, endOffset } of await reader.poll({ maxWaitMs: POLL_MS })) {
      for (const record of records) onRecord(record);
      if (nextOffset < endOffset || !waiting.delete(partition)) continue;
      reader.unassign([{ topic, partition }]);
    }
  }
}
