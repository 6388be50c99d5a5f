import { Buffer } from 'node:buffer'; // the global of that name is a getter, and this is a hot path
import { headerOf, type InRecord, type OutRecord } from '@millrace/kafka';
import { type DeadLetterTopic, deadLetterOf, deadLetterRecord, reasonOf } from './dead-letter.ts';
import { StreamsError } from './errors.ts';
import { RecentTexts } from './recent-texts.ts';
import { checkChange, fits, RECORD_BYTES_MAX } from './record-size.ts';
import { SourceMetadata } from './source-metadata.ts';
import type { Change, StateStore } from './stores/store.ts';
import type {
  AnyProcessor,
  Context,
  GlobalTable,
  RecordMetadata,
  StoreDefinitions,
  Topic,
  Topics,
} from './topology.ts';

/** What a stretch of processing has produced, to be committed as one. */
export interface Produced {
  /** By topic, in the order in which they were emitted. */
  readonly records: Map<string, OutRecord[]>;
  /** Changes by store name. */
  readonly changes: Map<string, Change[]>;
}

export interface TaskOptions {
  readonly processor: AnyProcessor;
  readonly partition: number;
  readonly globals: Readonly<Record<string, GlobalTable<unknown>>>;
  /** Wall clock, epoch milliseconds. */
  readonly now: () => number;
  readonly deadLetters: DeadLetterTopic | undefined;
  readonly observe: TaskObserver;
}

/** What the runtime counts. */
export interface TaskObserver {
  /** So many records of an input since the last `drain`. */
  processed(input: string, count: number): void;
  late(input: string, reason: string): void;
  deadLetter(reason: string): void;
}

/**
 * A processor threw after it had changed a store: the state is half a record ahead. Who owns the task rebuilds it from
 * the last commit and passes the record by (`skip`).
 */
export class PoisonedTask extends Error {
  readonly record: InRecord;
  constructor(record: InRecord, cause: unknown) {
    super(`record ${record.topic}-${record.partition}@${record.offset} failed after it had changed a store`, { cause });
    this.name = 'PoisonedTask';
    this.record = record;
  }
}

interface Input {
  readonly name: string;
  readonly topic: Topic<unknown>;
  /** Records processed since the last `drain`. */
  processed: number;
}

/**
 * One partition of one processor: the records of its inputs go in one by one, what is to be written comes out of
 * `drain`. No I/O here: the runtime and the test driver run the same task.
 */
export class Task {
  readonly #options: TaskOptions;
  readonly #inputs: ReadonlyMap<string, Input>;
  readonly #stores: Readonly<Record<string, StateStore>>;
  readonly #storeList: readonly StateStore[];
  readonly #context: Context<Topics, StoreDefinitions, Topics>;
  readonly #skipped = new Map<string, unknown>();
  #records = new Map<string, OutRecord[]>();
  /** What the record being processed has emitted; it joins the rest when the record is done. */
  readonly #emitted: { readonly topic: string; readonly record: OutRecord }[] = [];
  #source: InRecord | undefined;
  #late = false;
  /** Of the source, made when somebody asks for it. */
  #metadata: RecordMetadata | undefined;
  readonly #keys = new RecentTexts();
  #input = '';
  /** Wall clock at which nothing more was to be read. */
  #quietSinceMs: number | undefined;
  streamTimeMs = Number.NEGATIVE_INFINITY;

  constructor(options: TaskOptions) {
    this.#options = options;
    const { processor } = options;
    this.#inputs = new Map(
      Object.entries(processor.inputs as Record<string, Topic<unknown>>).map(([name, topic]) => [
        topic.name,
        { name, topic, processed: 0 },
      ]),
    );
    const definitions = (processor.stores ?? {}) as StoreDefinitions;
    this.#stores = Object.fromEntries(
      Object.entries(definitions).map(([name, definition]) => [name, definition.create(`${processor.name}.${name}`)]),
    );
    this.#storeList = Object.values(this.#stores);
    this.#context = this.#createContext();
  }

  get stores(): Readonly<Record<string, StateStore>> {
    return this.#stores;
  }

  /** After a restore: time goes on from where the last commit left it. */
  resumeAt(streamTimeMs: number): void {
    this.streamTimeMs = streamTimeMs;
    for (const store of this.#storeList) store.advance(streamTimeMs);
  }

  /** From now on this record becomes a dead letter without being processed. */
  skip(record: InRecord, cause: unknown): void {
    this.#skipped.set(positionOf(record), cause);
  }

  /** Puts a record aside unread, as a letter in `to`. */
  setAside(record: InRecord, reason: string, message: string, to: TaskOptions['deadLetters']): void {
    this.#putAside(record, reason, message, to);
    this.#keepEmitted();
  }

  process(record: InRecord): void {
    const input = this.#inputs.get(record.topic);
    if (input === undefined)
      throw new StreamsError('invalid-topology', `${this.#options.processor.name} does not read ${record.topic}`);
    this.#source = record;
    this.#metadata = undefined;
    this.#late = false;
    this.#quietSinceMs = undefined;
    if (isForOthers(record, input.topic, this.#options.processor.name)) return;
    const skippedFor = this.#skipped.size === 0 ? undefined : this.#skipped.get(positionOf(record));
    if (skippedFor !== undefined) {
      this.#skipped.delete(positionOf(record));
      this.#putAside(record, 'processor-error', messageOf(skippedFor));
      this.#keepEmitted();
      return;
    }
    let value: unknown;
    try {
      const bytes = record.value;
      value = bytes === null ? null : input.topic.decode(bytes);
    } catch (error) {
      if (this.#options.processor.onError === 'stop') throw this.#stopAt(record, 'cannot read', error);
      this.#putAside(record, reasonOf(error, 'undecodable'), messageOf(error));
      this.#keepEmitted();
      return;
    }
    const mutations = this.#mutations();
    try {
      this.#run(record, input, value);
      input.processed += 1;
    } catch (error) {
      this.#emitted.length = 0;
      this.#handleFailure(record, error, this.#mutations() !== mutations);
    }
    this.#keepEmitted();
  }

  /** Moves stream time without a record. */
  advanceTo(streamTimeMs: number): void {
    this.#metadata = undefined;
    this.#source = undefined;
    this.#advance(streamTimeMs);
  }

  /**
   * There is nothing to read now. When that has been so for `idleAfterMs`, stream time moves on by the time that has
   * passed; `true` then, and the new stream time wants to be committed.
   */
  idle(): boolean {
    const { idleAfterMs } = this.#options.processor;
    if (idleAfterMs === undefined || this.streamTimeMs === Number.NEGATIVE_INFINITY) return false;
    const nowMs = this.#options.now();
    this.#quietSinceMs ??= nowMs;
    const quietMs = nowMs - this.#quietSinceMs;
    if (quietMs < idleAfterMs) return false;
    this.#quietSinceMs = nowMs;
    this.advanceTo(this.streamTimeMs + quietMs);
    return true;
  }

  /** For a while nobody could tell whether there was something to read: that time does not count as quiet. */
  stir(): void {
    this.#quietSinceMs = undefined;
  }

  /** Hands out what has been produced since the last call. Throws `record-too-large` for a value that no changelog takes. */
  drain(): Produced {
    for (const input of this.#inputs.values()) {
      if (input.processed > 0) this.#options.observe.processed(input.name, input.processed);
      input.processed = 0;
    }
    const records = this.#records;
    this.#records = new Map();
    const changes = new Map(Object.entries(this.#stores).map(([name, store]) => [name, store.drainChanges()]));
    for (const [store, made] of changes) {
      const name = `${this.#options.processor.name}.${store}`;
      for (const change of made) checkChange(name, change);
    }
    return { records, changes };
  }

  #run(record: InRecord, { name }: Input, value: unknown): void {
    const { processor, observe } = this.#options;
    const late = record.timestampMs < this.streamTimeMs - processor.graceMs;
    this.#input = name;
    if (late) observe.late(name, 'grace');
    this.#late = late;
    this.#advance(record.timestampMs);
    if (value === null) processor.onTombstone?.(name, this.#context.record.key, this.#context);
    else processor.process[name]?.(value, this.#context);
  }

  /**
   * However far time jumps, what closes on the way closes at its own time: what comes of it may belong to a window of
   * another store that would have closed with the same step.
   */
  #advance(streamTimeMs: number): void {
    if (streamTimeMs <= this.streamTimeMs) return;
    if (this.#storeList.length > 1 && this.#options.processor.onStreamTime !== undefined) {
      for (let at = this.#nextCloseMs(); at < streamTimeMs; at = this.#nextCloseMs()) this.#step(at);
    }
    this.#step(streamTimeMs);
  }

  #nextCloseMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { nextCloseMs } of this.#storeList) {
      if (nextCloseMs !== undefined && nextCloseMs > this.streamTimeMs && nextCloseMs < nextMs) nextMs = nextCloseMs;
    }
    return nextMs;
  }

  #step(streamTimeMs: number): void {
    this.resumeAt(streamTimeMs);
    const { name, onStreamTime } = this.#options.processor;
    if (onStreamTime === undefined) return;
    try {
      onStreamTime(streamTimeMs, this.#context);
    } catch (error) {
      // Not the fault of the record that moved time, if there was one: the next would move it as well.
      throw new StreamsError(
        'processor-failed',
        `processor ${name} failed when stream time moved on to ${streamTimeMs}: ${messageOf(error)}`,
        { cause: error },
      );
    }
    this.#keepEmitted();
  }

  #handleFailure(record: InRecord, error: unknown, storesChanged: boolean): void {
    if (error instanceof StreamsError && error.code === 'processor-failed') throw error;
    // A store at its limit is not the record's fault: the next record would fail as well.
    const nobodysFault = error instanceof StreamsError && error.code !== 'record-too-large';
    if (this.#options.processor.onError === 'stop' || nobodysFault) throw this.#stopAt(record, 'failed on', error);
    if (storesChanged) throw new PoisonedTask(record, error);
    this.#putAside(record, reasonOf(error, 'processor-error'), messageOf(error));
  }

  /** The remedy is in the code or its settings: started again, the application comes to the same record. */
  #stopAt(record: InRecord, did: string, error: unknown): StreamsError {
    const { name, onError } = this.#options.processor;
    const remedy =
      onError === 'stop' ? `; mend the processor, or let it put such records aside (onError: 'dead-letter')` : '';
    const message = `processor ${name} ${did} ${positionOf(record)}: ${messageOf(error)}${remedy}`;
    return new StreamsError('processor-failed', message, { cause: error });
  }

  #mutations(): number {
    let sum = 0;
    for (const store of this.#storeList) sum += store.mutations;
    return sum;
  }

  #createContext(): Context<Topics, StoreDefinitions, Topics> {
    const { processor, globals, now } = this.#options;
    const outputs = processor.outputs as Record<string, Topic<unknown>>;
    const current = (): RecordMetadata => {
      if (this.#source === undefined)
        throw new StreamsError(
          'invalid-topology',
          `${processor.name}: there is no record when time moves on by itself`,
        );
      this.#metadata ??= new SourceMetadata(this.#source, this.#late, this.#keys);
      return this.#metadata;
    };
    const outputOf = (name: PropertyKey): Topic<unknown> => {
      const topic = outputs[String(name)];
      if (topic === undefined)
        throw new StreamsError('invalid-topology', `${processor.name} has no output ${String(name)}`);
      return topic;
    };
    const task = this;
    return {
      stores: this.#stores,
      globals: globals as Context<Topics, StoreDefinitions, Topics>['globals'],
      get record() {
        return current();
      },
      get streamTimeMs() {
        return task.streamTimeMs;
      },
      get nowMs() {
        return now();
      },
      emit: (output, value, options) => {
        const topic = outputOf(output);
        this.#emit(
          topic,
          options?.key ?? topic.key(value),
          topic.encode(value),
          topic.schema === undefined ? '' : topic.eventId(value),
          options?.timestampMs ?? topic.timestampMs(value),
        );
      },
      emitTombstone: (output, key) =>
        this.#emit(outputOf(output), key, null, key, this.#source?.timestampMs ?? this.streamTimeMs),
      deadLetter: (reason, message) => {
        if (this.#source !== undefined) this.#putAside(this.#source, reason, message);
      },
      countLate: (reason) => this.#options.observe.late(this.#input, reason),
    };
  }

  #emit(topic: Topic<unknown>, key: string, value: string | null, eventId: string, timestampMs: number): void {
    if (!fits(key, value)) {
      throw new StreamsError(
        'record-too-large',
        `a record of ${Buffer.byteLength(value ?? '')} bytes for ${topic.name}; the limit is ${RECORD_BYTES_MAX}`,
      );
    }
    const { schema } = topic;
    if (schema === undefined) {
      this.#append(topic.name, { key, value, timestampMs });
      return;
    }
    const headers: Record<string, string> = { schema, event_id: eventId };
    if (this.#source !== undefined) {
      const { traceparent, ingestedAtMs } = this.#context.record;
      if (traceparent !== undefined) headers.traceparent = traceparent;
      headers.ingested_at = String(ingestedAtMs);
    }
    this.#append(topic.name, { key, value, headers, timestampMs });
  }

  #putAside(record: InRecord, reason: string, message: string, deadLetters = this.#options.deadLetters): void {
    const { processor, now, observe } = this.#options;
    if (deadLetters === undefined) {
      throw new StreamsError(
        'processor-failed',
        `no dead-letter topic for ${positionOf(record)}: ${reason}: ${message}`,
      );
    }
    observe.deadLetter(reason);
    const letter = deadLetterOf(record, processor.name, reason, message, now());
    this.#append(deadLetters.name, deadLetterRecord(deadLetters, letter));
  }

  #append(topic: string, record: OutRecord): void {
    this.#emitted.push({ topic, record });
  }

  #keepEmitted(): void {
    if (this.#emitted.length === 0) return;
    for (const { topic, record } of this.#emitted) {
      const records = this.#records.get(topic);
      if (records === undefined) this.#records.set(topic, [record]);
      else records.push(record);
    }
    this.#emitted.length = 0;
  }
}

const positionOf = ({ topic, partition, offset }: { topic: string; partition: number; offset: number }): string =>
  `${topic}-${partition}@${offset}`;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * A record that was made again of a dead letter names the stages that had refused it (the header `redriven_for`), if
 * others have processed it. What has no schema has no such headers either, and is spared the look.
 */
function isForOthers(record: InRecord, { schema }: Topic<unknown>, stage: string): boolean {
  const stages = schema === undefined ? undefined : headerOf(record, 'redriven_for')?.toString('utf8');
  return stages !== undefined && !stages.split(',').includes(stage);
}
