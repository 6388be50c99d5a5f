import { type InRecord, KafkaError, type OffsetCommit, type ReadBatch } from '@millrace/kafka';
import { createMetrics } from '@millrace/observability';
import { type OffsetRange, WarehouseError } from '@millrace/warehouse';
import { createSinkMetrics } from '../src/metrics.ts';
import type { Route } from '../src/routes.ts';
import type { Outside } from '../src/store-block.ts';
import { IDLE_POLL_MS, runTopic } from '../src/topic-loop.ts';

/** What a record of the model is: `poison` breaks its contract, `stubborn` only ClickHouse refuses, `foreign` is for others. */
export type Kind = 'good' | 'poison' | 'stubborn' | 'foreign';

/** What befalls one call to the outside. Between two calls nothing can happen that these do not show. */
export type Fate =
  | 'done'
  | 'crash-before' // the process dies, the call was not made
  | 'crash-after' // the call took effect, the process dies before it learns that
  | 'freeze' // the process stands still with the call on its way; it wakes up when another has taken over
  | 'engine-died'; // an insert only: ClickHouse died after it wrote the token and before it named the part

class Crash extends Error {}

const TOPIC = 't';
/** Pretended, so that a block of the model is full with a few records. */
const ROWS_PER_RECORD = 6_000;

/** Kafka and ClickHouse as far as the protocol sees them, and processes that run the real code against them. */
export class World {
  readonly #records: readonly InRecord[];
  readonly #ends: ReadonlyMap<number, number>;
  #fates: Iterator<Fate> = [].values();
  readonly #frozen: (() => void)[] = [];
  readonly #committed = new Map<number, OffsetCommit>();
  readonly #tokens = new Set<string>();
  #generation = 0;
  /** Offsets that have a row, each as often as it has one. */
  readonly rows: string[] = [];
  readonly deadLetters: string[] = [];
  inserts = 0;

  /** `partitions`: per partition the gap before each record (control records) and what it is. */
  constructor(partitions: readonly (readonly { gap: number; kind: Kind }[])[]) {
    const ends = new Map<number, number>();
    this.#records = partitions.flatMap((kinds, partition) => {
      let next = 0;
      const records = kinds.map(({ gap, kind }) => {
        next += gap + 1;
        return recordOf(partition, next - 1, kind);
      });
      ends.set(partition, records.length === 0 ? 0 : next + 1);
      return records;
    });
    this.#ends = ends;
  }

  offsetsOf(kind: Kind): string[] {
    return this.#records.filter((record) => kindOf(record) === kind).map(keyOf);
  }

  /** Partitions that hold records and whose committed offset is not their end, or that still have an intent. */
  unfinished(): OffsetCommit[] {
    return [...this.#committed.values()].filter(
      ({ partition, offset, metadata }) => offset !== this.#ends.get(partition) || metadata !== '',
    );
  }

  wipeClickHouse(): void {
    this.rows.length = 0;
    this.#tokens.clear();
  }

  /** Runs processes, each after the last one crashed or froze, until one has read everything and the frozen ones are back. */
  async run(fates: readonly Fate[], tokens: 'remembered' | 'forgotten' = 'remembered'): Promise<void> {
    this.#fates = fates.values();
    const lives: Promise<unknown>[] = [];
    for (let finished = false; !finished; ) {
      if (tokens === 'forgotten') this.#tokens.clear();
      const { life, frozen } = this.#live();
      lives.push(life);
      finished = (await Promise.race([life, frozen])) === 'finished';
    }
    while (this.#frozen.length > 0) {
      this.#thaw();
      await new Promise(setImmediate);
    }
    await Promise.all(lives);
  }

  #live(): { life: Promise<'finished' | 'ended'>; frozen: Promise<'frozen'> } {
    this.#generation += 1;
    const stopping = new AbortController();
    let finished = false;
    const freezing = Promise.withResolvers<'frozen'>();
    const life = runTopic({
      route: ROUTE,
      reader: this.#reader(() => {
        finished = true;
        stopping.abort();
      }),
      outside: this.#outside(this.#generation, () => freezing.resolve('frozen')),
      persist: (_, attempt) => attempt(),
      committed: async () =>
        [...this.#ends.keys()].map((partition) => ({
          metadata: '',
          ...(this.#committed.get(partition) ?? { topic: TOPIC, partition, offset: -1 }),
        })),
      log: async () => [...this.#ends].map(([partition, end]) => ({ partition, start: 0, end })),
      highest: async () => {
        const highest = new Map<number, number>();
        for (const [partition = 0, offset = 0] of this.rows.map((row) => row.split(':').map(Number)))
          highest.set(partition, Math.max(offset, highest.get(partition) ?? -1));
        return highest;
      },
      metrics: METRICS,
      logger: SILENT,
      now: () => 0,
      wait: async () => undefined,
      onStarted: () => undefined,
      signal: stopping.signal,
    }).then(
      () => (finished ? 'finished' : 'ended') as 'finished' | 'ended',
      (error: unknown) => {
        if (error instanceof Crash) return 'ended' as const;
        throw error;
      },
    );
    return { life, frozen: freezing.promise };
  }

  /** Makes a call to the outside and lets its fate befall it. */
  async #befall<T>(onFreeze: () => void, call: () => T, half?: () => void): Promise<T> {
    const fate = this.#fates.next().value ?? 'done';
    if (this.#frozen.length > 0 && fate !== 'freeze') this.#thaw();
    switch (fate as Fate) {
      case 'crash-before':
        throw new Crash();
      case 'crash-after':
        call();
        throw new Crash();
      case 'engine-died':
        half?.();
        throw new Crash();
      case 'freeze':
        onFreeze();
        await new Promise<void>((resolve) => this.#frozen.push(resolve));
        return call();
      case 'done':
        return call();
    }
  }

  #thaw(): void {
    this.#frozen.shift()?.();
  }

  #outside(generation: number, onFreeze: () => void): Outside {
    return {
      commit: (offsets) =>
        this.#befall(onFreeze, () => {
          if (generation !== this.#generation) throw new KafkaError('fenced', 'another generation');
          for (const offset of offsets) this.#committed.set(offset.partition, offset);
        }),
      insert: (block, token, { skipFaultyRows }) => {
        const lines = block.body.toString().trimEnd().split('\n');
        const good = lines.filter((line) => line.endsWith('good'));
        const isRefused = !skipFaultyRows && good.length < lines.length;
        return this.#befall(
          onFreeze,
          () => {
            this.inserts += 1;
            if (isRefused) throw new WarehouseError('bad-data', 'cannot parse');
            if (this.#tokens.has(token) || good.length === 0) return;
            this.#tokens.add(token);
            this.rows.push(...good.map((line) => line.split(' ')[0] ?? ''));
          },
          () => {
            if (!isRefused) this.#tokens.add(token);
          },
        );
      },
      storedOffsets: (ranges) =>
        this.#befall(onFreeze, () => new Set(this.rows.filter((row) => ranges.some((range) => contains(range, row))))),
      deadLetter: (refused) =>
        this.#befall(onFreeze, () => {
          this.deadLetters.push(...refused.map(({ record }) => keyOf(record)));
        }),
    };
  }

  /** Two records per partition and poll. Tells when there is nothing more to read. */
  #reader(onEnd: () => void) {
    const positions = new Map<number, number>();
    return {
      assign: (parts: readonly { partition: number; offset: number | 'start' | 'end' }[]) => {
        for (const { partition, offset } of parts) positions.set(partition, Number(offset));
      },
      unassign: () => positions.clear(),
      pause: () => undefined,
      resume: () => undefined,
      position: () => undefined,
      close: async () => undefined,
      poll: async ({ maxWaitMs }: { maxWaitMs: number }): Promise<ReadBatch[]> => {
        await new Promise(setImmediate);
        const batches = [...positions].map(([partition, from]) => {
          const endOffset = this.#ends.get(partition) ?? 0;
          const records = this.#records
            .filter((record) => record.partition === partition && record.offset >= from)
            .slice(0, 2);
          const last = records.at(-1);
          const isLast = last === undefined || last.offset + 2 === endOffset;
          return { topic: TOPIC, partition, records, nextOffset: isLast ? endOffset : last.offset + 1, endOffset };
        });
        for (const { partition, nextOffset } of batches) positions.set(partition, nextOffset);
        // Only with no block open does a loop wait this long.
        if (maxWaitMs === IDLE_POLL_MS && batches.every(({ records }) => records.length === 0)) onEnd();
        return batches;
      },
    };
  }
}

const ROUTE: Route = {
  topic: TOPIC,
  table: 'labels',
  refused: 'dead-letter',
  urgent: true,
  rows: (record, careful) => {
    const kind = kindOf(record);
    if (kind === 'foreign') return { lines: [], count: 0 };
    if (careful && kind === 'poison') return { reason: 'schema', message: 'poison' };
    return { lines: [`${keyOf(record)} ${kind}\n`], count: ROWS_PER_RECORD };
  },
};
const METRICS = createSinkMetrics(createMetrics('test'));
const SILENT = { debug: ignore, info: ignore, warn: ignore, error: ignore } as never;

function ignore(): void {}

function recordOf(partition: number, offset: number, kind: Kind): InRecord {
  return { topic: TOPIC, partition, offset, timestampMs: 0, key: null, value: Buffer.from(kind), headers: {} };
}

function kindOf({ value }: InRecord): Kind {
  return value?.toString() as Kind;
}

function keyOf({ partition, offset }: InRecord): string {
  return `${partition}:${offset}`;
}

function contains({ partition, start, end }: OffsetRange, row: string): boolean {
  const [rowPartition = -1, offset = -1] = row.split(':').map(Number);
  return rowPartition === partition && offset >= start && offset < end;
}
