import { sendFlexible, writeCompactArray } from './flexible-requests.ts';
import { type Broker, Encoder } from './kafkajs-internals.ts';
import type { TopicPartition } from './types.ts';

/** An encoded record batch and where it goes. */
export interface PartitionBatch extends TopicPartition {
  readonly bytes: Buffer;
}

export interface ProduceResult extends TopicPartition {
  readonly errorCode: number;
}

const API_KEY = 0;
const API_VERSION = 7;
const ACKS_ALL = -1;
const TIMEOUT_MS = 30_000;

/** Sends one Produce request: at most one batch per partition, acknowledged by all in-sync replicas. */
export type SendProduce = typeof sendProduce;

/** Version 7 (KIP-98): the partitions must be part of the transaction already. */
export async function sendProduce(
  broker: Broker,
  transactionalId: string | null,
  batches: readonly PartitionBatch[],
): Promise<ProduceResult[]> {
  const byTopic = Map.groupBy(batches, ({ topic }) => topic);
  const encode = async () => {
    const encoder = new Encoder().writeString(transactionalId).writeInt16(ACKS_ALL).writeInt32(TIMEOUT_MS);
    encoder.writeInt32(byTopic.size);
    for (const [topic, partitions] of byTopic) {
      encoder.writeString(topic).writeInt32(partitions.length);
      for (const { partition, bytes } of partitions) encoder.writeInt32(partition).writeBytes(bytes);
    }
    return encoder;
  };
  const answer = await broker.connectionPool.send({
    request: { apiKey: API_KEY, apiVersion: API_VERSION, apiName: 'Produce', encode },
    response: { decode: async (raw) => decodeResponse(raw), parse: async (decoded) => decoded },
  });
  return answer as ProduceResult[];
}

function decodeResponse(raw: Buffer): ProduceResult[] {
  let at = 0;
  const int16 = () => {
    at += 2;
    return raw.readInt16BE(at - 2);
  };
  const int32 = () => {
    at += 4;
    return raw.readInt32BE(at - 4);
  };
  const results: ProduceResult[] = [];
  for (let topics = int32(); topics > 0; topics--) {
    const length = int16();
    at += length;
    const topic = raw.toString('utf8', at - length, at);
    for (let partitions = int32(); partitions > 0; partitions--) {
      results.push({ topic, partition: int32(), errorCode: int16() });
      at += 8 + 8 + 8; // base offset, log append time, log start offset
    }
  }
  return results;
}

/** Version 12 (KIP-890), for `transaction.version` 2: what is written to becomes part of the transaction. */
export async function sendProduceIntoTransaction(
  broker: Broker,
  transactionalId: string | null,
  batches: readonly PartitionBatch[],
): Promise<ProduceResult[]> {
  const byTopic = [...Map.groupBy(batches, ({ topic }) => topic)];
  const results = await sendFlexible(
    broker,
    { apiKey: API_KEY, apiVersion: 12, apiName: 'Produce' },
    (encoder) => {
      encoder.writeUVarIntString(transactionalId).writeInt16(ACKS_ALL).writeInt32(TIMEOUT_MS);
      writeCompactArray(encoder, byTopic, ([topic, partitions]) => {
        encoder.writeUVarIntString(topic);
        writeCompactArray(encoder, partitions, ({ partition, bytes }) =>
          encoder.writeInt32(partition).writeUVarIntBytes(bytes),
        );
      });
    },
    (reader) =>
      reader.array(() => {
        const topic = reader.text();
        return reader.array(() => {
          const result = { topic, partition: reader.int32(), errorCode: reader.int16() };
          for (let i = 0; i < 3; i++) reader.int64(); // base offset, log append time, log start offset
          reader.array(() => [reader.int32(), reader.text()]); // errors of single records
          reader.text(); // the error as a text
          return result;
        });
      }),
  );
  return results.flat();
}
