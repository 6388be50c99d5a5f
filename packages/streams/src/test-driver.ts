import type { InRecord, OutRecord } from '@millrace/kafka';
import type { DeadLetterValue } from './dead-letter.ts';
import { StreamsError } from './errors.ts';
import { VersionedTable } from './global-table.ts';
import type { StateStore } from './stores/store.ts';
import { PoisonedTask, Task } from './task.ts';
import type { AnyProcessor, Topic, Topics, Topology } from './topology.ts';

export interface PipedRecord {
  /** A value of the topic, or bytes as they might lie there, or `null` for a tombstone. */
  readonly value: unknown;
  readonly key?: string;
  readonly timestampMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Runs a topology with no Kafka and a clock that is moved by hand. One task per processor, partition 0. */
export interface TestDriver {
  /** Processes a record, and with it all that it sets off in processors further down. */
  pipe(topic: string, record: PipedRecord): void;
  /** Sets the wall clock, epoch milliseconds; tasks that have been idle for long enough move their stream time on. */
  setNow(nowMs: number): void;
  /** Moves stream time of every task, without a record. */
  advanceTo(streamTimeMs: number): void;
  /** Decoded values that a topic has received since the last call. `null` is a tombstone. */
  output<T = unknown>(topic: string): T[];
  /** The same as records. */
  records(topic: string): OutRecord[];
  deadLetters(): DeadLetterValue[];
  store<S extends StateStore>(processor: string, name: string): S;
  /** Throws the state away and rebuilds it from the changelog, as a new owner of the partition would. */
  restart(): void;
}

const DEAD_LETTERS: Topic<DeadLetterValue> = {
  name: 'dead-letters',
  schema: 'dead-letter.v1',
  decode: (bytes) => JSON.parse(Buffer.from(bytes).toString('utf8')) as DeadLetterValue,
  encode: (letter) => JSON.stringify(letter),
  key: ({ id }) => id,
  timestampMs: ({ failed_at }) => failed_at,
  eventId: ({ id }) => id,
};

export function createTestDriver(topology: Topology, options: { readonly nowMs?: number } = {}): TestDriver {
  let nowMs = options.nowMs ?? 0;
  let offset = 0;
  const topics = new Map<string, Topic<unknown>>([[DEAD_LETTERS.name, DEAD_LETTERS as Topic<unknown>]]);
  const globals = new Map<string, VersionedTable<unknown>>();
  for (const processor of topology.processors) {
    for (const group of [processor.inputs, processor.globals ?? {}, processor.outputs] as Record<
      string,
      Topic<unknown>
    >[]) {
      for (const topic of Object.values(group)) topics.set(topic.name, topic);
    }
    for (const topic of Object.values((processor.globals ?? {}) as Topics))
      globals.set(topic.name, globals.get(topic.name) ?? new VersionedTable());
  }
  const written = new Map<string, OutRecord[]>();
  const changelogs = new Map<string, { key: string; value: Buffer | string | null }[]>();
  const createTask = (processor: AnyProcessor) =>
    new Task({
      processor,
      partition: 0,
      globals: Object.fromEntries(
        Object.entries((processor.globals ?? {}) as Topics).map(([name, topic]) => [
          name,
          globals.get(topic.name) ?? new VersionedTable<unknown>(),
        ]),
      ),
      now: () => nowMs,
      deadLetters: DEAD_LETTERS,
      observe: { processed: () => undefined, late: () => undefined, deadLetter: () => undefined },
    });
  let tasks = new Map(
    topology.processors.map((processor) => [processor.name, { processor, task: createTask(processor) }]),
  );

  const readerOf = (topic: string) =>
    [...tasks.values()].find(({ processor }) =>
      Object.values(processor.inputs as Topics).some(({ name }) => name === topic),
    );
  const rebuild = (processor: AnyProcessor, streamTimeMs: number): Task => {
    const task = createTask(processor);
    for (const [name, store] of Object.entries(task.stores)) {
      for (const { key, value } of changelogs.get(`${processor.name}.${name}`) ?? []) {
        store.restore(key, typeof value === 'string' ? Buffer.from(value, 'utf8') : value);
      }
    }
    task.resumeAt(streamTimeMs);
    return task;
  };
  const collect = (processor: AnyProcessor, task: Task): InRecord[] => {
    const { records: produced, changes } = task.drain();
    for (const [store, made] of changes) {
      const name = `${processor.name}.${store}`;
      const changelog = changelogs.get(name);
      if (changelog === undefined) changelogs.set(name, made);
      else changelog.push(...made);
    }
    const onward: InRecord[] = [];
    for (const [topic, outputs] of produced) {
      const records = written.get(topic);
      if (records === undefined) written.set(topic, outputs);
      else records.push(...outputs);
      if (readerOf(topic) !== undefined) onward.push(...outputs.map((output) => toInRecord(topic, output, offset++)));
    }
    return onward;
  };
  const run = (record: InRecord): void => {
    const entry = readerOf(record.topic);
    if (entry === undefined) throw new StreamsError('invalid-topology', `no processor reads ${record.topic}`);
    const before = entry.task.streamTimeMs;
    try {
      entry.task.process(record);
    } catch (error) {
      if (!(error instanceof PoisonedTask)) throw error;
      entry.task = rebuild(entry.processor, before);
      entry.task.skip(record, error.cause);
      entry.task.process(record);
    }
    for (const next of collect(entry.processor, entry.task)) run(next);
  };

  /** Between records there is nothing to read, in any task. */
  const idle = (): void => {
    for (const { processor, task } of tasks.values()) {
      if (task.idle()) for (const next of collect(processor, task)) run(next);
    }
  };

  return {
    pipe: (topic, piped) => {
      const contract = topics.get(topic);
      if (contract === undefined) throw new StreamsError('invalid-topology', `${topic} is not part of the topology`);
      const { value } = piped;
      const raw = value === null || value instanceof Uint8Array;
      const record: OutRecord = {
        key: piped.key ?? (raw ? '' : contract.key(value)),
        value: value === null ? null : value instanceof Uint8Array ? Buffer.from(value) : contract.encode(value),
        timestampMs: piped.timestampMs ?? (raw ? nowMs : contract.timestampMs(value)),
        ...(piped.headers === undefined ? {} : { headers: piped.headers }),
      };
      globals.get(topic)?.apply(record.key ?? '', record.timestampMs ?? 0, value as never);
      if (readerOf(topic) !== undefined) run(toInRecord(topic, record, offset++));
      idle();
    },
    setNow: (ms) => {
      nowMs = ms;
      idle();
    },
    advanceTo: (streamTimeMs) => {
      for (const { processor, task } of tasks.values()) {
        task.advanceTo(streamTimeMs);
        for (const next of collect(processor, task)) run(next);
      }
    },
    output: <T>(topic: string) =>
      take(written, topic).map(
        ({ value }) => (value === null ? null : topics.get(topic)?.decode(Buffer.from(value))) as T,
      ),
    records: (topic) => take(written, topic),
    deadLetters: () =>
      take(written, DEAD_LETTERS.name).map(({ value }) => DEAD_LETTERS.decode(Buffer.from(value ?? ''))),
    store: <S extends StateStore>(processor: string, name: string) => {
      const store = tasks.get(processor)?.task.stores[name];
      if (store === undefined) throw new StreamsError('invalid-topology', `${processor} has no store ${name}`);
      return store as S;
    },
    restart: () => {
      tasks = new Map(
        [...tasks].map(([name, { processor, task }]) => [
          name,
          { processor, task: rebuild(processor, task.streamTimeMs) },
        ]),
      );
      idle();
    },
  };
}

function take(written: Map<string, OutRecord[]>, topic: string): OutRecord[] {
  const records = written.get(topic) ?? [];
  written.delete(topic);
  return records;
}

function toInRecord(topic: string, { key, value, headers, timestampMs }: OutRecord, offset: number): InRecord {
  const bytes = Object.entries(headers ?? {}).map(([name, header]) => [name, Buffer.from(header)]);
  return {
    topic,
    partition: 0,
    offset,
    timestampMs: timestampMs ?? 0,
    key: key === null ? null : Buffer.from(key, 'utf8'),
    value: value === null ? null : Buffer.from(value as string),
    headers: Object.fromEntries(bytes) as Record<string, Buffer>,
  };
}
