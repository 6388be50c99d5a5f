export { createKafka } from './client.ts';
export { KafkaError, type KafkaErrorCode } from './errors.ts';
export { partitionOf } from './partitioner.ts';
export type * from './types.ts';
