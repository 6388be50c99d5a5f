import { openEventSource } from '@millrace/lambda';
import { createMetrics, type Logger } from '@millrace/observability';
import { createKafkaEventHandler, type Topic, type Topology } from '../../src/index.ts';
import { changelogTopic, type StoreDefinitions, type Topics } from '../../src/topology.ts';
import { deadLetterTopic } from '../support/dead-letter-topic.ts';
import { MemoryKafka } from '../support/memory-kafka.ts';
import { topicOf } from './driver-harness.ts';
import { type Harness, type InputRecord, STARTED_AT_MS } from './harness.ts';

const BATCH_RECORDS = 100;
const INVOCATION_MS = 60_000;

/** The handler of Lambda's Kafka event source as a harness, on a Kafka in memory. Nothing is left to do when `pipe` returns. */
export async function openLambda(topology: Topology, prefix: string): Promise<Harness> {
  const kafka = new MemoryKafka();
  const deadLetters = deadLetterTopic(prefix);
  const inputs = topology.processors.flatMap((processor) => topicsOf(processor.inputs).map(({ name }) => name));
  for (const { name } of topology.processors.flatMap((processor) => [
    ...topicsOf(processor.inputs),
    ...topicsOf(processor.globals ?? {}),
    ...topicsOf(processor.outputs),
    deadLetters,
  ]))
    kafka.createTopic(name, 1);
  let failure: Error | undefined;
  const ignore = () => undefined;
  const error = ({ err }: { err?: Error }) => {
    failure ??= err;
  };
  const logger = { debug: ignore, info: ignore, warn: ignore, error } as unknown as Logger;
  let nowMs = STARTED_AT_MS;
  const open = () =>
    createKafkaEventHandler({
      topology,
      kafka,
      metrics: createMetrics('contract'),
      logger,
      deadLetters,
      now: () => nowMs,
    });
  let handler = open();
  const source = await openEventSource({
    ...{ kafka, admin: await kafka.admin(), topics: inputs, shape: 'msk', recordsMax: BATCH_RECORDS, retriesMax: 0 },
    invoke: (event) => handler.handle(event, { getRemainingTimeInMillis: () => INVOCATION_MS }),
    onFailure: () => {
      failure ??= new Error('Lambda has given up a record');
    },
  });
  const append = (topic: string, records: readonly InputRecord[]) => {
    const contract = topicOf(topology, topic);
    for (const { value, key, timestampMs, headers } of records) {
      const raw = value === null || value instanceof Uint8Array;
      kafka.append(topic, 0, {
        key: key ?? (raw ? '' : contract.key(value)),
        value: value === null ? null : value instanceof Uint8Array ? Buffer.from(value) : contract.encode(value),
        timestampMs: timestampMs ?? (raw ? nowMs : contract.timestampMs(value)),
        ...(headers === undefined ? {} : { headers }),
      });
    }
  };
  const drain = async () => {
    while (failure === undefined && (await source.step()));
  };
  const taken = new Map<string, number>();
  const take = (topic: string) => {
    const records = kafka.recordsOf(topic);
    const from = taken.get(topic) ?? 0;
    taken.set(topic, records.length);
    return records.slice(from);
  };
  return {
    pipe: async (topic, ...records) => {
      for (const record of records) {
        append(topic, [record]);
        await drain();
      }
    },
    pipeTogether: async (records) => {
      for (const [topic, list] of Object.entries(records)) append(topic, list);
      await drain();
    },
    // Nobody is there to see it.
    passTime: async (ms) => {
      nowMs += ms;
    },
    output: async <T>(topic: string) => {
      const contract = topicOf(topology, topic) as Topic<T>;
      return take(topic).map(({ value }) => (value === null ? null : contract.decode(value)));
    },
    records: async (topic) =>
      take(topic).map(({ key, value, timestampMs, headers }) => ({
        key: key?.toString('utf8') ?? '',
        value: value?.toString('utf8') ?? null,
        timestampMs,
        headers: Object.fromEntries(
          Object.entries(headers).map(([name, bytes]) => [name, bytes?.toString('utf8') ?? '']),
        ),
      })),
    letters: async () => take(deadLetters.name).map(({ value }) => deadLetters.decode(value ?? Buffer.alloc(0))),
    // What the next environment would find.
    look: async (name, store, key) => {
      const processor = topology.processors.find((candidate) => candidate.name === name);
      const created = (processor?.stores as StoreDefinitions | undefined)?.[store]?.create(store);
      for (const record of kafka.recordsOf(changelogTopic(topology.applicationId, name, store)))
        created?.restore(record.key?.toString('utf8') ?? '', record.value);
      return created?.inspect?.(key);
    },
    restart: async () => {
      await handler.close();
      handler = open();
    },
    failure: async () => failure ?? new Error('nothing has failed'),
  };
}

const topicsOf = (topics: Topics) => Object.values(topics);
