import type { InRecord, Kafka, KafkaAdmin } from '@millrace/kafka';

const POLL_WAIT_MS = 20;
const FUNCTION_ARN = 'arn:aws:kafka:eu-central-1:000000000000:cluster/millrace/00000000-0000-0000-0000-000000000000-1';

/** Which of the two event shapes Lambda sends. */
export type EventShape = 'self-managed' | 'msk';

export interface EventSourceOptions {
  readonly kafka: Kafka;
  readonly admin: KafkaAdmin;
  readonly topics: readonly string[];
  readonly shape: EventShape;
  /** `BatchSize`. */
  readonly recordsMax: number;
  /** `MaximumRetryAttempts`; -1: for ever. */
  readonly retriesMax: number;
  /** Reads what is of open and aborted transactions too. */
  readonly isolation?: 'read_committed' | 'read_uncommitted';
  /** Rejects when the function failed, timed out, or its environment died. */
  invoke(event: unknown): Promise<unknown>;
  /** Called for records that are given up: `DestinationConfig.OnFailure`. */
  onFailure?(records: readonly InRecord[]): void;
}

/**
 * Lambda's event source mapping for Kafka, as its documentation tells it: reads each partition in order, sends batches,
 * goes on behind what the function has done, and delivers the rest again.
 * https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html
 */
export interface EventSource {
  /** Sends one batch, if there is anything to send. `false` when all partitions are read to their ends. */
  step(): Promise<boolean>;
  /** Steps until all is delivered and done. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

interface Source {
  readonly topic: string;
  readonly partition: number;
  /** Read and not done. */
  queued: InRecord[];
  caughtUp: boolean;
  attempts: number;
}

export async function openEventSource(options: EventSourceOptions): Promise<EventSource> {
  const { kafka, admin, topics, recordsMax, retriesMax, isolation = 'read_committed' } = options;
  const reader = await kafka.reader({ isolation });
  const sources = new Map<string, Source>();
  for (const topic of topics) {
    for (const { partition } of await admin.offsets(topic)) {
      sources.set(`${topic}-${partition}`, { topic, partition, queued: [], caughtUp: false, attempts: 0 });
      reader.assign([{ topic, partition, offset: 'start' }]);
    }
  }

  const poll = async (): Promise<void> => {
    for (const { topic, partition, records, nextOffset, endOffset } of await reader.poll({ maxWaitMs: POLL_WAIT_MS })) {
      const source = sources.get(`${topic}-${partition}`);
      source?.queued.push(...records);
      if (source !== undefined) source.caughtUp = nextOffset >= endOffset;
    }
  };
  const nextBatch = (): Map<string, InRecord[]> => {
    const share = Math.max(1, Math.floor(recordsMax / sources.size));
    const batch = [...sources].map(([name, { queued }]) => [name, queued.slice(0, share)] as const);
    return new Map(batch.filter(([, records]) => records.length > 0));
  };
  const settle = (batch: ReadonlyMap<string, InRecord[]>, failures: ReadonlyMap<string, number>): void => {
    for (const [name, records] of batch) {
      const source = sources.get(name);
      const failedAt = failures.get(name);
      if (source === undefined) continue;
      const undone = failedAt === undefined ? [] : records.filter(({ offset }) => offset >= failedAt);
      source.queued.splice(0, records.length - undone.length);
      source.attempts = undone.length === 0 || undone.length < records.length ? 0 : source.attempts + 1;
      if (retriesMax < 0 || source.attempts <= retriesMax) continue;
      options.onFailure?.(source.queued.splice(0, undone.length));
      source.attempts = 0;
    }
  };
  const step = async (): Promise<boolean> => {
    await poll();
    const batch = nextBatch();
    if (batch.size === 0) return [...sources.values()].some(({ caughtUp }) => !caughtUp);
    let failures: Map<string, number>;
    try {
      failures = readAnswer(await options.invoke(toEvent(options.shape, batch)), batch);
    } catch {
      // The function failed, or what it said was wrong: everything again.
      failures = new Map([...batch].map(([name, [first]]) => [name, first?.offset ?? 0]));
    }
    settle(batch, failures);
    return true;
  };
  return {
    step,
    drain: async () => {
      while (await step());
    },
    close: () => reader.close(),
  };
}

/** Throws for an identifier that was not in the event: Lambda repeats the whole batch then. */
function readAnswer(answer: unknown, batch: ReadonlyMap<string, readonly InRecord[]>): Map<string, number> {
  const { batchItemFailures } = (answer ?? {}) as { batchItemFailures?: unknown };
  if (batchItemFailures === undefined || batchItemFailures === null) return new Map();
  const failures = new Map<string, number>();
  for (const { itemIdentifier } of batchItemFailures as {
    itemIdentifier?: { partition?: string; offset?: number };
  }[]) {
    const { partition = '', offset = -1 } = itemIdentifier ?? {};
    if (batch.get(partition)?.some((record) => record.offset === offset) !== true)
      throw new Error(`${partition}@${offset} was not in the event`);
    failures.set(partition, Math.min(offset, failures.get(partition) ?? Number.POSITIVE_INFINITY));
  }
  return failures;
}

/** The event as AWS documents it. */
export function toEvent(shape: EventShape, batch: ReadonlyMap<string, readonly InRecord[]>): object {
  const records = Object.fromEntries([...batch].map(([name, list]) => [name, list.map(toEventRecord)]));
  const bootstrapServers = 'b-1.kafka.example.internal:9092,b-2.kafka.example.internal:9092';
  return shape === 'msk'
    ? { eventSource: 'aws:kafka', eventSourceArn: FUNCTION_ARN, bootstrapServers, records }
    : { eventSource: 'SelfManagedKafka', bootstrapServers, records };
}

const toEventRecord = ({ topic, partition, offset, timestampMs, key, value, headers }: InRecord): object => ({
  topic,
  partition,
  offset,
  timestamp: timestampMs,
  timestampType: 'CREATE_TIME',
  ...(key === null ? {} : { key: key.toString('base64') }),
  ...(value === null ? {} : { value: value.toString('base64') }),
  headers: Object.entries(headers).map(([name, bytes]) => ({ [name]: [...(bytes ?? [])] })),
});
