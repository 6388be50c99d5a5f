export { toMermaid } from './diagram.ts';
export type { JoinWindowOptions } from './dsl/join-window.ts';
export type { RunningOptions } from './dsl/running-aggregate.ts';
export type { StageOptions, StepContext } from './dsl/stage-plan.ts';
export type { Aggregated, GlobalRef, Joined, SinkTopic, Stream, Table } from './dsl/stream.ts';
export { type Stage, type StreamBuilder, streamBuilder } from './dsl/stream-builder.ts';
export type { TableOptions } from './dsl/tables.ts';
export type { Emission, SessionOptions, SessionUpdate, Windowed, WindowOptions } from './dsl/windowed-aggregate.ts';
export { StreamsError, type StreamsErrorCode } from './errors.ts';
export { type Codec, type JoinKind, JoinStore, type JoinStoreOptions, joinStore } from './joins/join-store.ts';
export { type FieldKind, type FieldKinds, type FieldsOf, jsonFields } from './json-fields.ts';
export type { KafkaBatchAnswer, KafkaEvent, KafkaEventRecord, KafkaItemIdentifier } from './lambda/kafka-event.ts';
export {
  createKafkaEventHandler,
  type InvocationContext,
  type KafkaEventHandler,
  type KafkaEventHandlerOptions,
} from './lambda/kafka-event-handler.ts';
export { type Streams, type StreamsOptions, startStreams } from './runtime/streams.ts';
export { HyperLogLog } from './sketches/hyper-log-log.ts';
export { KeyValueStore, keyValueStore } from './stores/key-value-store.ts';
export { SessionStore, sessionStore } from './stores/session-store.ts';
export { SlidingWindowStore, slidingWindowStore } from './stores/sliding-window-store.ts';
export type { Change, StateStore } from './stores/store.ts';
export { WindowStore, windowStore } from './stores/window-store.ts';
export { hash, WindowView } from './stores/window-view.ts';
export { createTestDriver, type TestDriver } from './test-driver.ts';
export {
  type Context,
  defineProcessor,
  defineTopology,
  describe,
  type GlobalTable,
  type Processor,
  type RecordMetadata,
  type StoreDefinition,
  type Topic,
  type Topology,
} from './topology.ts';
export { aggregateOf } from './windows/aggregate-of.ts';
export {
  type Aggregation,
  count,
  deviation,
  distinct,
  max,
  mean,
  min,
  type NumericAggregation,
  type ObjectAggregation,
  reduce,
  sum,
} from './windows/aggregations.ts';
export {
  hopping,
  type SessionWindows,
  session,
  type TimeWindows,
  tumbling,
  type Window,
  type Windows,
  windowsOf,
} from './windows/windows.ts';
