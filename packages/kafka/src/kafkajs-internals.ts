/**
 * What is used of kafkajs beyond its public API, in one place and with types of our own. kafkajs is pinned to an exact
 * version that has had no successor for years, so these modules do not move; the reasons are in
 * docs/decisions/001-kafkajs-behind-one-adapter.md.
 */
import { createRequire } from 'node:module';
import type { ISocketFactory } from 'kafkajs';
import kafkajs from 'kafkajs';
import type { KafkaLogger } from './types.ts';

const require = createRequire(import.meta.url);

export interface FetchPartition {
  readonly partition: number;
  readonly fetchOffset: string;
  readonly maxBytes: number;
}

interface ProtocolRequest {
  readonly request: unknown;
  readonly response: { decode(raw: Buffer): Promise<unknown>; parse(decoded: unknown): Promise<unknown> };
  readonly requestTimeout?: number | null;
}

interface ProducerRequest {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface Broker {
  readonly nodeId: number;
  readonly connectionPool: { send(request: ProtocolRequest): Promise<unknown> };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  initProducerId(request: {
    readonly transactionalId?: string;
    readonly transactionTimeout: number;
  }): Promise<{ producerId: string; producerEpoch: number }>;
  addPartitionsToTxn(
    request: ProducerRequest & { readonly topics: readonly { topic: string; partitions: readonly number[] }[] },
  ): Promise<unknown>;
  addOffsetsToTxn(request: ProducerRequest & { readonly groupId: string }): Promise<unknown>;
  txnOffsetCommit(
    request: ProducerRequest & {
      readonly groupId: string;
      readonly topics: readonly {
        topic: string;
        partitions: readonly { partition: number; offset: string; metadata: string | null }[];
      }[];
    },
  ): Promise<unknown>;
  endTxn(request: ProducerRequest & { readonly transactionResult: boolean }): Promise<unknown>;
  listOffsets(request: {
    readonly isolationLevel?: number;
    readonly topics: readonly { topic: string; partitions: readonly { partition: number; timestamp: number }[] }[];
  }): Promise<{ responses: { topic: string; partitions: { partition: number; offset: string }[] }[] }>;
}

export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  findBroker(options: { nodeId: string | number }): Promise<Broker>;
  findControllerBroker(): Promise<Broker>;
  findGroupCoordinator(options: { groupId: string; coordinatorType: 0 | 1 }): Promise<Broker>;
  removeBroker(options: { host: string; port: number }): void;
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>;
  findTopicPartitionMetadata(topic: string): { partitionId: number; leader: number }[];
}

/** Writes the protocol's types, big-endian, into a growing buffer. */
export interface ProtocolEncoder {
  writeInt8(value: number): this;
  writeInt16(value: number): this;
  writeInt32(value: number): this;
  writeInt64(value: number): this;
  writeBoolean(value: boolean): this;
  writeString(value: string | null): this;
  writeBytes(value: Buffer): this;
  /** Of flexible versions: the value itself, and texts and bytes behind their length plus one. */
  writeUVarInt(value: number): this;
  writeUVarIntString(value: string | null): this;
  writeUVarIntBytes(value: Buffer): this;
}

interface ClusterOptions {
  readonly logger: unknown;
  readonly socketFactory: ISocketFactory;
  readonly brokers: readonly string[];
  readonly ssl: unknown;
  readonly sasl: unknown;
  readonly clientId: string;
  readonly connectionTimeout: number;
  readonly authenticationTimeout: number;
  readonly reauthenticationThreshold: number;
  readonly requestTimeout: number;
  readonly enforceRequestTimeout: boolean;
  readonly metadataMaxAge: number;
  readonly allowAutoTopicCreation: boolean;
  readonly maxInFlightRequests: number | null;
  readonly isolationLevel: number;
  readonly retry: unknown;
}

export const ClusterClass = require('kafkajs/src/cluster') as new (options: ClusterOptions) => Cluster;
export const Encoder = require('kafkajs/src/protocol/encoder') as new () => ProtocolEncoder;
export const createClusterLogger = (
  require('kafkajs/src/loggers') as { createLogger(options: { level: number; logCreator: unknown }): unknown }
).createLogger;
export const fetchRequestV11 = require('kafkajs/src/protocol/requests/fetch/v11/request') as (request: {
  replicaId: number;
  maxWaitTime: number;
  minBytes: number;
  maxBytes: number;
  isolationLevel: number;
  topics: readonly { topic: string; partitions: readonly FetchPartition[] }[];
}) => unknown;
export const createProtocolError = (
  require('kafkajs/src/protocol/error') as { createErrorFromCode(code: number): Error }
).createErrorFromCode;

interface RequestQueue {
  readonly pending: readonly unknown[];
  readonly throttledUntil: number;
}
const requestQueuePrototype = (require('kafkajs/src/network/requestQueue') as { prototype: unknown }).prototype as {
  scheduleCheckPendingRequests(this: RequestQueue): void;
};
const scheduleCheckPendingRequests = requestQueuePrototype.scheduleCheckPendingRequests;
/**
 * kafkajs arms a timer after every response, also when nothing waits; the delay is then `-1 - Date.now()`, which
 * Node 24 reports as a TimeoutNegativeWarning. With nothing pending and no throttling there is nothing to check.
 */
requestQueuePrototype.scheduleCheckPendingRequests = function guarded(this: RequestQueue) {
  if (this.pending.length === 0 && this.throttledUntil <= Date.now()) return;
  scheduleCheckPendingRequests.call(this);
};

const { logLevel } = kafkajs;
/**
 * Retriable answers, of which a transaction gets one after nearly every commit (CONCURRENT_TRANSACTIONS), come as
 * kafkajs errors. They say nothing to an operator: what fails for good reaches the caller as an exception. So its
 * errors and warnings are written at debug, and nothing of it is lost to whoever looks for it.
 */
export function toLogCreator(logger: KafkaLogger) {
  return () =>
    ({
      namespace,
      level,
      log,
    }: {
      namespace: string;
      level: number;
      log: { message: string; [key: string]: unknown };
    }): void => {
      if (level > logLevel.INFO) return;
      const { message, timestamp: _timestamp, logger: _logger, ...fields } = log;
      logger.debug({ ...fields, kafkajs: namespace }, message);
    };
}
