import { setTimeout as sleep } from 'node:timers/promises';
import type { InRecord, Kafka, KafkaAdmin, OutRecord, Producer } from '@millrace/kafka';
import { createMetrics, type Logger } from '@millrace/observability';
import { type Streams, startStreams, type Topic, type Topology } from '../../src/index.ts';
import type { Topics } from '../../src/topology.ts';
import { deadLetterTopic } from '../support/dead-letter-topic.ts';
import { openTopicLog, settled, type TopicLog } from '../support/topic-log.ts';
import { topicOf } from './driver-harness.ts';
import { type Harness, type InputRecord, STARTED_AT_MS } from './harness.ts';

const COMMIT_INTERVAL_MS = 20;
const WAIT_MS = 20;
const WAIT_MS_MAX = 60_000;

export interface RuntimeWorld {
  readonly kafka: Kafka;
  readonly admin: KafkaAdmin;
  readonly producer: Producer;
  readonly logger: Logger;
  readonly prefix: string;
  readonly partitions: number;
}

export interface RuntimeHarness extends Harness {
  close(): Promise<void>;
}

/** The runtime on Kafka as a harness: one instance, in this process, with a wall clock of the harness's own. */
export async function openRuntime(topology: Topology, world: RuntimeWorld): Promise<RuntimeHarness> {
  const { kafka, admin, producer, prefix, partitions } = world;
  const deadLetters = deadLetterTopic(prefix);
  const names = [...new Set([...topicNames(topology), deadLetters.name])];
  await admin.createTopics(names.map((name) => ({ name, partitions, config: {} })));
  const log = await openTopicLog(kafka, admin, names);
  const globals = createGlobalWatch(topology);
  const { promise: failed, resolve: fail } = Promise.withResolvers<Error>();
  let failure: Error | undefined;
  let nowMs = STARTED_AT_MS;
  let clockReads = 0;
  let streams: Streams | undefined;

  const start = async () => {
    globals.startOver();
    streams = await startStreams({
      topology: globals.topology,
      kafka,
      metrics: createMetrics('contract'),
      logger: world.logger,
      deadLetters,
      commitIntervalMs: COMMIT_INTERVAL_MS,
      now: () => {
        clockReads += 1;
        return nowMs;
      },
      onFatal: (error) => {
        failure = error;
        fail(error);
      },
    });
  };
  const stop = async () => {
    await streams?.close();
    streams = undefined;
  };
  const send = async (topic: string, records: readonly InputRecord[]) => {
    const contract = topicOf(topology, topic);
    await producer.send([{ topic, records: records.map((record) => toOutRecord(contract, record, nowMs)) }]);
    globals.sent(topic, records);
  };
  const settle = () =>
    settled(topology, log, admin, () => {
      if (failure !== undefined) throw failure;
    });
  const take = createTaker(log);
  // A task that can go idle looks at the clock whenever it finds nothing to read, and only then once all is processed.
  // By its second look what it did at the first is committed.
  const idleTasks = topology.processors.filter(({ idleAfterMs }) => idleAfterMs !== undefined).length;
  const lookTwice = async () => {
    const from = clockReads;
    if (idleTasks > 0) await waitUntil('the idle task has looked at the clock', () => clockReads >= from + 2);
  };
  let pipedTo: string | undefined;

  if (idleTasks * partitions > 1) throw new Error('a case has one task at most that goes idle');
  await start();
  return {
    pipe: async (topic, ...records) => {
      if (topic !== (pipedTo ?? topic)) await settle();
      pipedTo = topic;
      await send(topic, records);
      await waitUntil(`the records of ${topic} are in its table`, () => globals.hasAll(topic));
    },
    pipeTogether: async (inputs) => {
      await settle();
      await stop();
      for (const [topic, records] of Object.entries(inputs)) await send(topic, records);
      await start();
    },
    passTime: async (ms) => {
      await settle();
      await lookTwice();
      nowMs += ms;
      await lookTwice();
    },
    output: async <T>(topic: string) => {
      await settle();
      const contract = topicOf(topology, topic) as Topic<T>;
      return (await take(topic)).map(({ value }) => (value === null ? null : contract.decode(value)));
    },
    records: async (topic) => {
      await settle();
      return (await take(topic)).map(({ key, value, timestampMs, headers }) => ({
        key: key?.toString('utf8') ?? '',
        value: value?.toString('utf8') ?? null,
        timestampMs,
        headers: Object.fromEntries(
          Object.entries(headers).map(([name, bytes]) => [name, bytes?.toString('utf8') ?? '']),
        ),
      }));
    },
    letters: async () => {
      await settle();
      return (await take(deadLetters.name)).map(({ value }) => deadLetters.decode(value ?? Buffer.alloc(0)));
    },
    look: async (processor, store, key) => {
      await settle();
      const path = ['state', processor, store, key].map(encodeURIComponent).join('/');
      const answer = await streams?.readState(new URL(`http://localhost/${path}`));
      const { value } = (answer?.body ?? {}) as { readonly value?: unknown };
      return value;
    },
    restart: async () => {
      await settle();
      await stop();
      await start();
    },
    failure: () => failed,
    close: async () => {
      await stop();
      await log.close();
    },
  };
}

/** What is new in a topic since it was last asked for. */
function createTaker(log: TopicLog): (topic: string) => Promise<readonly InRecord[]> {
  const taken = new Map<string, number>();
  return async (topic) => {
    const records = await log.readToEnd(topic);
    const from = taken.get(topic) ?? 0;
    taken.set(topic, records.length);
    return records.slice(from);
  };
}

/**
 * Tells when a global table holds what was written to its topic: no offset of it is committed anywhere. A table takes a
 * record in right after it has decoded it; tombstones are not decoded, so a case lets a value follow them.
 */
function createGlobalWatch(topology: Topology) {
  const written = new Map<string, number>();
  let decoded = new Map<string, number>();
  const watch = (topic: Topic<unknown>): Topic<unknown> => ({
    ...topic,
    decode: (bytes) => {
      decoded.set(topic.name, (decoded.get(topic.name) ?? 0) + 1);
      return topic.decode(bytes);
    },
  });
  const processors = topology.processors.map((processor) => ({
    ...processor,
    globals: Object.fromEntries(
      Object.entries((processor.globals ?? {}) as Record<string, Topic<unknown>>).map(([name, topic]) => {
        written.set(topic.name, 0);
        return [name, watch(topic)];
      }),
    ),
  }));
  return {
    topology: { ...topology, processors },
    startOver: () => {
      decoded = new Map();
    },
    sent: (topic: string, records: readonly InputRecord[]) => {
      const before = written.get(topic);
      if (before !== undefined) written.set(topic, before + records.filter(({ value }) => value !== null).length);
    },
    hasAll: (topic: string) => (decoded.get(topic) ?? 0) >= (written.get(topic) ?? 0),
  };
}

/** As the test driver makes a record of it. */
function toOutRecord(
  topic: Topic<unknown>,
  { value, key, timestampMs, headers }: InputRecord,
  nowMs: number,
): OutRecord {
  const raw = value === null || value instanceof Uint8Array;
  return {
    key: key ?? (raw ? '' : topic.key(value)),
    value: value === null ? null : value instanceof Uint8Array ? Buffer.from(value) : topic.encode(value),
    timestampMs: timestampMs ?? (raw ? nowMs : topic.timestampMs(value)),
    ...(headers === undefined ? {} : { headers }),
  };
}

const topicNames = ({ processors }: Topology): string[] =>
  processors.flatMap(({ inputs, globals, outputs }) =>
    [inputs, globals ?? {}, outputs].flatMap((group: Topics) => Object.values(group).map(({ name }) => name)),
  );

async function waitUntil(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + WAIT_MS_MAX;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`in vain: ${what}`);
    await sleep(WAIT_MS);
  }
}
