import { type FlexibleReader, sendFlexible, writeCompactArray } from './flexible-requests.ts';
import { type Broker, createProtocolError } from './kafkajs-internals.ts';
import type { OffsetCommit } from './types.ts';

/** A transactional id with what it got from the coordinator last. The epoch is another one after every transaction. */
export interface TransactionIdentity {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

const TXN_OFFSET_COMMIT = { apiKey: 28, apiVersion: 5, apiName: 'TxnOffsetCommit' } as const;
const END_TXN = { apiKey: 26, apiVersion: 5, apiName: 'EndTxn' } as const;
const API_VERSIONS = { apiKey: 18, apiVersion: 3, apiName: 'ApiVersions' } as const;
const FINALIZED_FEATURES_TAG = 2;
const ANY_GENERATION = -1;
const NO_LEADER_EPOCH = -1;

/**
 * The cluster's `transaction.version`; 0 where it has none. From 2 on (KIP-890, Kafka 4.0 and later) a partition or a
 * group joins a transaction by what is written to it, and each transaction has a producer epoch of its own.
 */
export function fetchTransactionVersion(broker: Broker): Promise<number> {
  return sendFlexible(
    broker,
    API_VERSIONS,
    (encoder) => encoder.writeUVarIntString('millrace').writeUVarIntString('1'),
    (reader) => {
      failFor(reader.int16());
      reader.array(() => [reader.int16(), reader.int16(), reader.int16()]);
      reader.int32(); // throttle time
      let version = 0;
      reader.tags((tag, field) => {
        if (tag !== FINALIZED_FEATURES_TAG) return;
        for (const [name, level] of readFeatures(field)) if (name === 'transaction.version') version = level;
      });
      return version;
    },
    { tagsInHeader: false }, // of this answer alone, so that a client of any age can read it (KIP-511)
  );
}

function readFeatures(field: FlexibleReader): [name: string, level: number][] {
  return field.array(() => {
    const feature: [string, number] = [field.text(), field.int16()];
    field.int16(); // the lowest level
    return feature;
  });
}

/** TxnOffsetCommit, which also makes the group a part of the transaction. May be repeated. */
export async function sendTxnOffsetCommit(
  broker: Broker,
  { transactionalId, producerId, producerEpoch }: TransactionIdentity,
  groupId: string,
  offsets: readonly OffsetCommit[],
): Promise<void> {
  const byTopic = [...Map.groupBy(offsets, ({ topic }) => topic)];
  const codes = await sendFlexible(
    broker,
    TXN_OFFSET_COMMIT,
    (encoder) => {
      encoder.writeUVarIntString(transactionalId).writeUVarIntString(groupId);
      encoder.writeInt64(producerId).writeInt16(producerEpoch);
      // No member: zombies are fenced by the transactional id, of which there is one per application and partition.
      encoder.writeInt32(ANY_GENERATION).writeUVarIntString('').writeUVarIntString(null);
      writeCompactArray(encoder, byTopic, ([topic, partitions]) => {
        encoder.writeUVarIntString(topic);
        writeCompactArray(encoder, partitions, ({ partition, offset, metadata }) =>
          encoder
            .writeInt32(partition)
            .writeInt64(offset)
            .writeInt32(NO_LEADER_EPOCH)
            .writeUVarIntString(metadata ?? null),
        );
      });
    },
    (reader) => {
      reader.int32(); // throttle time
      return reader.array(() => {
        reader.text();
        return reader.array(() => [reader.int32(), reader.int16()] as const);
      });
    },
  );
  for (const [, code] of codes.flat()) failFor(code);
}

/** EndTxn: commits, and gives the identity for the next transaction. May be repeated: the answer is the same. */
export async function sendCommit(broker: Broker, identity: TransactionIdentity): Promise<TransactionIdentity> {
  const { transactionalId, producerId, producerEpoch } = identity;
  const next = await sendFlexible(
    broker,
    END_TXN,
    (encoder) =>
      encoder.writeUVarIntString(transactionalId).writeInt64(producerId).writeInt16(producerEpoch).writeBoolean(true),
    (reader) => {
      reader.int32(); // throttle time
      failFor(reader.int16());
      return { producerId: reader.int64(), producerEpoch: reader.int16() };
    },
  );
  return { transactionalId, ...next };
}

/** Came after kafkajs. */
const PRODUCER_FENCED = 90;
const INVALID_PRODUCER_EPOCH = 47;

function failFor(code: number): void {
  if (code === 0) return;
  // For the sender both mean that somebody else owns the transactional id now.
  if (code === PRODUCER_FENCED) throw createProtocolError(INVALID_PRODUCER_EPOCH);
  throw createProtocolError(code);
}
