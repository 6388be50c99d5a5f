export { createKafka } from './client.ts';
export { KafkaError, type KafkaErrorCode } from './errors.ts';
export { partitionOf } from './partitioner.ts';
export { headerOf } from './record-batch-decoder.ts';
export type * from './types.ts';
