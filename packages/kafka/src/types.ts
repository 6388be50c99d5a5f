/** A topic and one of its partitions. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A record on its way to Kafka. `partition` overrides the partitioner (murmur2 of the key, as the Java client does). */
export interface OutRecord {
  readonly key: string | null;
  /** `null` is a tombstone: a compacted topic forgets the key. */
  readonly value: string | Buffer | null;
  readonly headers?: Readonly<Record<string, string | Buffer>>;
  /** Epoch milliseconds; Kafka's CreateTime. Default: now. */
  readonly timestampMs?: number;
  readonly partition?: number;
}

/** A record as it was read. Offsets are numbers: exact up to 2^53, which a partition does not reach. */
export interface InRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Epoch milliseconds. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Decoded when first asked for: most readers need one header or none. */
  readonly headers: Readonly<Record<string, Buffer | undefined>>;
}

/** Records for one topic, in the order in which they are to be written. */
export interface TopicBatch {
  readonly topic: string;
  readonly records: readonly OutRecord[];
}

/** What a group has committed for a partition; `offset` is the next one to read. */
export interface OffsetCommit extends TopicPartition {
  readonly offset: number;
  readonly metadata?: string;
}

export interface CommittedOffset extends TopicPartition {
  /** The next offset to read, or -1 when the group has committed nothing. */
  readonly offset: number;
  readonly metadata: string;
}

export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor?: number;
  readonly config: Readonly<Record<string, string>>;
}

export interface PartitionOffsets {
  readonly partition: number;
  /** The first offset that is still there. */
  readonly start: number;
  /** The last stable offset: one past the last record, or where the first transaction begins that is still open. */
  readonly end: number;
}

export interface GroupMember {
  readonly clientId: string;
  /** Its address as the broker sees it. */
  readonly host: string;
  readonly partitions: readonly TopicPartition[];
}

export interface KafkaAdmin {
  /**
   * Creates the topics that are missing. A topic that exists with another number of partitions is an error
   * (`partition-mismatch`), because joins and state stores depend on that number.
   */
  createTopics(specs: readonly TopicSpec[]): Promise<void>;
  offsets(topic: string): Promise<PartitionOffsets[]>;
  committed(groupId: string, topics: readonly string[]): Promise<CommittedOffset[]>;
  /** Number of partitions, or `undefined` when there is no such topic. */
  partitions(topic: string): Promise<number | undefined>;
  deleteTopics(names: readonly string[]): Promise<void>;
  topics(): Promise<string[]>;
  /** Members that a group has now, none when there is no such group. One that was killed counts until its session ends. */
  members(groupId: string): Promise<GroupMember[]>;
  /** Forgets a group with its offsets. Fails while it has members; it need not exist. */
  deleteGroup(groupId: string): Promise<void>;
  close(): Promise<void>;
}

/** An idempotent producer, `acks=all`. */
export interface Producer {
  /** Resolves when all in-sync replicas have every record. Calls are written in the order in which they were made. */
  send(batches: readonly TopicBatch[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * One transaction at a time. Creating it fences every earlier producer with the same transactional id, and aborts
 * what that one left open.
 */
export interface TransactionalProducer {
  /**
   * Writes records, and the offsets of the input that they were made from, in one transaction, and returns once it is
   * committed. `groupId` and `offsets` are left out where the records do not come from Kafka.
   */
  commitTransaction(transaction: {
    readonly batches: readonly TopicBatch[];
    readonly groupId?: string;
    readonly offsets?: readonly OffsetCommit[];
  }): Promise<void>;
  close(): Promise<void>;
}

export type Isolation = 'read_committed' | 'read_uncommitted';

export interface ReaderOptions {
  readonly isolation: Isolation;
  /** Of each partition in one fetch; a single larger record still comes. Default: 512 KiB. */
  readonly partitionBytesMax?: number;
}

/** What one poll found in one partition. */
export interface ReadBatch extends TopicPartition {
  readonly records: readonly InRecord[];
  /** Where the next poll goes on: also past control records, aborted transactions and offsets that compaction removed. */
  readonly nextOffset: number;
  /** The last stable offset (read committed) or the high watermark; `nextOffset === endOffset` means caught up. */
  readonly endOffset: number;
}

/** Reads partitions that its owner names; no consumer group is involved. */
export interface PartitionReader {
  assign(partitions: readonly (TopicPartition & { readonly offset: number | 'start' | 'end' })[]): void;
  unassign(partitions: readonly TopicPartition[]): void;
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /** Where the next fetch of this partition starts; `undefined` until a position by name has been looked up. */
  position(partition: TopicPartition): number | undefined;
  /**
   * One fetch from every leader that has an assigned, running partition. Waits up to `maxWaitMs` for the first byte.
   * A partition that answered without records is in the result too (its `nextOffset` and `endOffset` tell how far
   * it is). Throws `KafkaError`; a `retriable` one leaves positions as they were.
   */
  poll(options: { readonly maxWaitMs: number }): Promise<ReadBatch[]>;
  close(): Promise<void>;
}

/** What is handed out as a whole to one member: a task with its co-partitioned inputs, or a topic with all its partitions. */
export interface AssignmentUnit {
  readonly id: string;
  /** Units of a kind are spread evenly, since they are likely to be as much work as each other. */
  readonly kind?: string;
  readonly partitions: readonly TopicPartition[];
  /** What a standby of it follows; a unit without has none. No partition is one of those of a unit as well. */
  readonly standbyPartitions?: readonly TopicPartition[];
}

export interface Assignment {
  readonly generation: number;
  readonly units: readonly AssignmentUnit[];
  /** Units of other members that this one keeps warm. */
  readonly standbys: readonly AssignmentUnit[];
}

/** Membership of a consumer group, without data: who owns what, and commits that a newer generation fences. */
export interface GroupMembership {
  /** Commits offsets outside a transaction. Fails with `fenced` when `generation` is no longer the current one. */
  commit(generation: number, offsets: readonly OffsetCommit[]): Promise<void>;
  close(): Promise<void>;
}

/** The subset of pino that the adapter writes to. */
export interface KafkaLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface KafkaOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly logger: KafkaLogger;
  readonly ssl?: boolean | { readonly ca: string; readonly cert?: string; readonly key?: string };
  readonly sasl?: {
    readonly mechanism: 'scram-sha-512' | 'plain';
    readonly username: string;
    readonly password: string;
  };
}

export interface GroupOptions {
  readonly groupId: string;
  /** Of units and, where there are standbys, of what these follow. */
  readonly topics: readonly string[];
  /** Members that keep each unit warm beside the one that has it, as far as there are so many. Default: none. */
  readonly standbys?: number;
  /** The units to share out, from the number of partitions of each topic. The same for every member. */
  unitsOf(partitionCount: (topic: string) => number): AssignmentUnit[];
  /** Called at every generation with all that this member owns now. */
  onAssigned(assignment: Assignment): void;
  /** Called when the membership cannot go on (for example, not authorised). */
  onFatal(error: Error): void;
}

export interface TransactionalOptions {
  /** Whoever opens a producer with it fences those that had it before. */
  readonly transactionalId: string;
  /** After this time the broker aborts a transaction that nobody ends. */
  readonly transactionTimeoutMs: number;
  /** 1 keeps to the requests of before Kafka 4.0 where the cluster could do with fewer (KIP-890). */
  readonly transactionVersionMax?: 1 | 2;
}

export interface Kafka {
  admin(): Promise<KafkaAdmin>;
  producer(): Promise<Producer>;
  transactionalProducer(options: TransactionalOptions): Promise<TransactionalProducer>;
  reader(options: ReaderOptions): Promise<PartitionReader>;
  group(options: GroupOptions): Promise<GroupMembership>;
}
