import {
  type CommittedOffset,
  type InRecord,
  type Kafka,
  KafkaError,
  type OutRecord,
  type PartitionReader,
  partitionOf,
  type ReadBatch,
  type TopicBatch,
} from '@millrace/kafka';

/** What becomes of a commit: it works, it is lost on the way there, or its answer is lost on the way back. */
export type CommitFate = 'works' | 'is lost' | 'works unheard';

interface Entry {
  readonly record: InRecord;
  /** Of a transaction that is neither committed nor aborted. */
  open: boolean;
  aborted: boolean;
}

interface Partition {
  /** Offsets without an entry hold a marker of a transaction. */
  readonly entries: Entry[];
  end: number;
  start: number;
}

/**
 * As much of Kafka as the runtime needs, in memory: transactions that fence each other, committed offsets, reading of
 * what is committed. Everything happens at once, and fails when the test says so.
 */
export class MemoryKafka implements Kafka {
  readonly #topics = new Map<string, Partition[]>();
  readonly #committed = new Map<string, CommittedOffset>();
  readonly #epochs = new Map<string, number>();
  /** Asked at every commit. */
  fateOf: () => CommitFate = () => 'works';
  /** While it is away every request fails. */
  away = false;
  commits = 0;

  createTopic(name: string, partitions: number): void {
    if (this.#topics.has(name)) return;
    this.#topics.set(
      name,
      Array.from({ length: partitions }, () => ({ entries: [], end: 0, start: 0 })),
    );
  }

  /** Committed records of a topic, by partition and in their order. */
  recordsOf(topic: string): InRecord[] {
    return this.#partitions(topic).flatMap(({ entries }) =>
      entries.filter(({ open, aborted }) => !open && !aborted).map(({ record }) => record),
    );
  }

  /** As a reader sees a partition that does not care for transactions. */
  deliveredFrom(topic: string, partition: number): InRecord[] {
    return this.#partition(topic, partition).entries.map(({ record }) => record);
  }

  committedOffset(groupId: string, topic: string, partition: number): number {
    return this.#committed.get(`${groupId}/${topic}/${partition}`)?.offset ?? -1;
  }

  append(
    topic: string,
    partition: number,
    record: Omit<OutRecord, 'partition'>,
    as: 'done' | 'open' | 'aborted' = 'done',
  ): number {
    const log = this.#partition(topic, partition);
    const offset = log.end;
    log.entries.push({
      record: toInRecord(topic, partition, offset, record),
      open: as === 'open',
      aborted: as === 'aborted',
    });
    log.end += 1;
    return offset;
  }

  /** The marker that a transaction leaves behind. */
  mark(topic: string, partition: number): void {
    this.#partition(topic, partition).end += 1;
  }

  /** Ends the open transaction of a partition. */
  settle(topic: string, partition: number, as: 'committed' | 'aborted'): void {
    for (const entry of this.#partition(topic, partition).entries) {
      if (!entry.open) continue;
      entry.open = false;
      entry.aborted = as === 'aborted';
    }
    this.mark(topic, partition);
  }

  /** Retention: what is before `offset` is gone. */
  expire(topic: string, partition: number, offset: number): void {
    const log = this.#partition(topic, partition);
    log.start = offset;
    log.entries.splice(0, log.entries.findLastIndex(({ record }) => record.offset < offset) + 1);
  }

  async admin() {
    this.#assertThere();
    return {
      createTopics: async (specs: readonly { name: string; partitions: number }[]) => {
        for (const { name, partitions } of specs) this.createTopic(name, partitions);
      },
      offsets: async (topic: string) => {
        this.#assertThere();
        return this.#partitions(topic).map(({ start, end }, partition) => ({ partition, start, end }));
      },
      committed: async (groupId: string, topics: readonly string[]) => {
        this.#assertThere();
        return topics.flatMap((topic) =>
          this.#partitions(topic).map(
            (_, partition) =>
              this.#committed.get(`${groupId}/${topic}/${partition}`) ?? { topic, partition, offset: -1, metadata: '' },
          ),
        );
      },
      partitions: async (topic: string) => this.#topics.get(topic)?.length,
      deleteTopics: async () => undefined,
      topics: async () => [...this.#topics.keys()],
      members: async () => [],
      deleteGroup: async () => undefined,
      close: async () => undefined,
    };
  }

  async producer() {
    return { send: async (batches: readonly TopicBatch[]) => this.#write(batches), close: async () => undefined };
  }

  async transactionalProducer({ transactionalId }: { readonly transactionalId: string }) {
    this.#assertThere();
    const epoch = (this.#epochs.get(transactionalId) ?? 0) + 1;
    this.#epochs.set(transactionalId, epoch);
    return {
      commitTransaction: async ({
        batches,
        groupId,
        offsets,
      }: Parameters<Awaited<ReturnType<Kafka['transactionalProducer']>>['commitTransaction']>[0]) => {
        this.#assertThere();
        if (this.#epochs.get(transactionalId) !== epoch) throw new KafkaError('fenced', `${transactionalId} is fenced`);
        const fate = this.fateOf();
        const lost = () => new KafkaError('unavailable', 'no answer', { retriable: true });
        if (fate === 'is lost') throw lost();
        this.#write(batches);
        for (const { topic } of batches)
          for (const [partition] of this.#partitions(topic).entries()) this.mark(topic, partition);
        for (const { topic, partition, offset, metadata = '' } of offsets ?? [])
          this.#committed.set(`${groupId}/${topic}/${partition}`, { topic, partition, offset, metadata });
        this.commits += 1;
        if (fate === 'works unheard') throw lost();
      },
      close: async () => undefined,
    };
  }

  async reader({ isolation }: { readonly isolation: 'read_committed' | 'read_uncommitted' }): Promise<PartitionReader> {
    const positions = new Map<string, { topic: string; partition: number; offset: number; paused: boolean }>();
    const keyOf = ({ topic, partition }: { topic: string; partition: number }) => `${topic}/${partition}`;
    const read = (position: { topic: string; partition: number; offset: number }): ReadBatch => {
      const { topic, partition, offset } = position;
      const { entries, end, start } = this.#partition(topic, partition);
      if (offset < start || offset > end)
        throw new KafkaError('offset-out-of-range', `${topic}-${partition}@${offset}`);
      const stable = entries.find(({ open }) => open)?.record.offset ?? end;
      const endOffset = isolation === 'read_committed' ? stable : end;
      const records = entries
        .filter(
          ({ record, aborted }) =>
            record.offset >= offset && record.offset < endOffset && !(aborted && isolation === 'read_committed'),
        )
        .map(({ record }) => record);
      position.offset = Math.max(offset, endOffset);
      return { topic, partition, records, nextOffset: position.offset, endOffset };
    };
    return {
      assign: (partitions) => {
        for (const { topic, partition, offset } of partitions) {
          const { start, end } = this.#partition(topic, partition);
          const from = offset === 'start' ? start : offset === 'end' ? end : offset;
          positions.set(keyOf({ topic, partition }), { topic, partition, offset: from, paused: false });
        }
      },
      unassign: (partitions) => {
        for (const partition of partitions) positions.delete(keyOf(partition));
      },
      pause: (partitions) => {
        for (const partition of partitions) Object.assign(positions.get(keyOf(partition)) ?? {}, { paused: true });
      },
      resume: (partitions) => {
        for (const partition of partitions) Object.assign(positions.get(keyOf(partition)) ?? {}, { paused: false });
      },
      position: (partition) => positions.get(keyOf(partition))?.offset,
      poll: async () => {
        this.#assertThere();
        await new Promise((resolve) => setImmediate(resolve));
        return [...positions.values()].filter(({ paused }) => !paused).map(read);
      },
      close: async () => undefined,
    };
  }

  async group(): Promise<never> {
    throw new Error('nobody joins a group here');
  }

  #write(batches: readonly TopicBatch[]): void {
    this.#assertThere();
    for (const { topic, records } of batches) {
      const count = this.#partitions(topic).length;
      for (const record of records)
        this.append(topic, record.partition ?? partitionOf(record.key ?? '', count), record);
    }
  }

  #assertThere(): void {
    if (this.away) throw new KafkaError('unavailable', 'Kafka is away', { retriable: true });
  }

  #partitions(topic: string): Partition[] {
    const partitions = this.#topics.get(topic);
    if (partitions === undefined) throw new Error(`there is no topic ${topic}`);
    return partitions;
  }

  #partition(topic: string, partition: number): Partition {
    const found = this.#partitions(topic)[partition];
    if (found === undefined) throw new Error(`there is no ${topic}-${partition}`);
    return found;
  }
}

function toInRecord(
  topic: string,
  partition: number,
  offset: number,
  { key, value, headers, timestampMs }: OutRecord,
): InRecord {
  const bytes = Object.entries(headers ?? {}).map(([name, header]) => [name, Buffer.from(header)]);
  return {
    topic,
    partition,
    offset,
    timestampMs: timestampMs ?? 0,
    key: key === null ? null : Buffer.from(key, 'utf8'),
    value: value === null ? null : Buffer.from(value as string),
    headers: Object.fromEntries(bytes) as Record<string, Buffer>,
  };
}
