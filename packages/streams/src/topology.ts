import { StreamsError } from './errors.ts';
import type { StateStore } from './stores/store.ts';

/** What one must know of a topic to read it or write to it. The contracts package's topics are such. */
export interface Topic<T> {
  readonly name: string;
  /**
   * Goes into the header `schema` of every record. A topic without it is a plain one, as others write it: its records
   * carry none of the headers that go with a schema (`event_id`, `ingested_at`, `traceparent`).
   */
  readonly schema?: string;
  /** Throws when the bytes are not a `T`: the record becomes a dead letter. */
  decode(value: Uint8Array): T;
  encode(value: T): string;
  key(value: T): string;
  /** Event time, epoch milliseconds. */
  timestampMs(value: T): number;
  eventId(value: T): string;
}

// A topic of any value. Methods are bivariant in TypeScript, so a Topic<Payment> is one; a processor's own types keep the value.
export type AnyTopic = Topic<never> | Topic<unknown>;
type ValueOf<T> = T extends Topic<infer V> ? V : never;
export type Topics = Readonly<Record<string, AnyTopic>>;

export interface StoreDefinition<S extends StateStore = StateStore> {
  /** For `describe()`. */
  readonly kind: string;
  create(name: string): S;
}
export type StoreDefinitions = Readonly<Record<string, StoreDefinition>>;
type StoresOf<D extends StoreDefinitions> = {
  readonly [K in keyof D]: D[K] extends StoreDefinition<infer S> ? S : never;
};

/** A topic that every instance holds as a whole; values are versioned by their event time. */
export interface GlobalTable<T> {
  /**
   * The value of a key that was valid at `atMs` (epoch milliseconds): the newest version that is not younger. Before
   * the first version there was none to know, so the oldest one answers. Without `atMs`: the newest version.
   */
  get(key: string, atMs?: number): T | undefined;
  /** The newest version of every key. */
  values(): IterableIterator<T>;
  /** Grows with every change; what is derived from the whole table is computed again when it differs. */
  readonly version: number;
  readonly size: number;
}

export interface RecordMetadata {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Event time, epoch milliseconds. */
  readonly timestampMs: number;
  readonly key: string;
  /** Event time lies before stream time minus grace. */
  readonly late: boolean;
  /** W3C trace context, when the record carries one. */
  readonly traceparent: string | undefined;
  /** When ingest accepted the event, epoch milliseconds; the event time where that is not known. */
  readonly ingestedAtMs: number;
}

export interface EmitOptions {
  readonly key?: string;
  readonly timestampMs?: number;
}

/** What a processor sees and does beside its record. Everything it writes is committed with the record's offset, or not at all. */
export interface Context<G extends Topics, D extends StoreDefinitions, O extends Topics> {
  readonly stores: StoresOf<D>;
  readonly globals: { readonly [K in keyof G]: GlobalTable<ValueOf<G[K]>> };
  /** The record being processed; in `onStreamTime` the one that moved time. Throws when an idle time moved it: there is none. */
  readonly record: RecordMetadata;
  /** The largest event time that this task has seen, epoch milliseconds. */
  readonly streamTimeMs: number;
  /** Wall clock, epoch milliseconds: for stamps such as `decided_at`, never for a decision. */
  readonly nowMs: number;
  emit<K extends keyof O>(output: K, value: ValueOf<O[K]>, options?: EmitOptions): void;
  /** Writes a null value: a compacted output topic forgets the key. */
  emitTombstone(output: keyof O, key: string): void;
  /** Puts the record aside with a reason (a code, used as a metric label); what it emitted before stands. */
  deadLetter(reason: string, message: string): void;
  /** Counts the record as late for a reason of the processor's own, such as a window that has closed. */
  countLate(reason: string): void;
}

/** A step within a processor, for `describe()` and diagrams only: the runtime sees the processor as a whole. */
export interface TopologyNode {
  readonly name: string;
  /** What it does: `source`, `filter`, `aggregate`, `sink` and so on. */
  readonly kind: string;
  /** Names of the nodes whose records it takes. */
  readonly from: readonly string[];
  /** Topic of a source or a sink, store of a stateful step. */
  readonly detail?: string;
}

/**
 * A pure step from records to records. It is synchronous, has no I/O and no clock; what it must remember is in its
 * stores. The runtime runs one task of it per input partition.
 */
export interface Processor<
  I extends Topics = Topics,
  G extends Topics = Topics,
  D extends StoreDefinitions = StoreDefinitions,
  O extends Topics = Topics,
> {
  readonly name: string;
  /** Co-partitioned: same number of partitions, same partitioner. A task owns partition p of each. */
  readonly inputs: I;
  readonly globals?: G;
  readonly stores?: D;
  readonly outputs: O;
  /** How far behind stream time a record may be before it counts as late. */
  readonly graceMs: number;
  /**
   * What happens to a record that cannot be decoded or that `process` throws on. `stop` ends the application, which says
   * where the record lies: for errors that no record should cause. An error in `onStreamTime` always ends it.
   */
  readonly onError: 'dead-letter' | 'stop';
  /** A tombstone (null value) arrives as `null`. */
  readonly process: { readonly [K in keyof I]: (value: ValueOf<I[K]>, context: Context<G, D, O>) => void };
  /** Called for a tombstone on an input; without it tombstones are dropped. */
  readonly onTombstone?: (input: keyof I, key: string, context: Context<G, D, O>) => void;
  /**
   * A task that has read all there is and gets nothing for so long, in milliseconds, moves its stream time on by as much,
   * and again after the next such time, so that a quiet partition closes its windows too. Each such step is a commit.
   * While the broker is away or the process stands still no time passes. Records that come later than that are late:
   * `graceMs` should cover what a source may be behind after a quiet time. Without it stream time moves with records only.
   */
  readonly idleAfterMs?: number;
  /** The steps that the processor was built from, if it was. */
  readonly nodes?: readonly TopologyNode[];
  /** Called when stream time has moved on, before the record that moved it is processed: closes windows. */
  readonly onStreamTime?: (streamTimeMs: number, context: Context<G, D, O>) => void;
}

/** Checks a processor, and lets TypeScript find the types of its values. */
export function defineProcessor<
  I extends Topics,
  O extends Topics,
  G extends Topics = Record<never, never>,
  D extends StoreDefinitions = Record<never, never>,
>(processor: Processor<I, G, D, O>): Processor<I, G, D, O> {
  checkName('processor', processor.name, /^[A-Za-z0-9_-]{1,64}$/);
  for (const store of Object.keys(processor.stores ?? {})) checkName('store', store, /^[A-Za-z0-9_-]{1,64}$/);
  if (Object.keys(processor.inputs).length === 0)
    throw new StreamsError('invalid-topology', `processor ${processor.name} has no input`);
  if (!(processor.graceMs >= 0))
    throw new StreamsError('invalid-topology', `processor ${processor.name}: graceMs must be 0 or more`);
  if (processor.idleAfterMs !== undefined && !(processor.idleAfterMs > 0))
    throw new StreamsError('invalid-topology', `processor ${processor.name}: idleAfterMs must be more than 0`);
  return processor;
}

// Processors of different types stand in one topology: here only names and functions matter, not their values.
// biome-ignore lint/suspicious/noExplicitAny: the one place where the value types of processors are given up
export type AnyProcessor = Processor<any, any, any, any>;

export interface Topology {
  /** Consumer group, prefix of transactional ids and changelog topics. Changing it means starting over. */
  readonly applicationId: string;
  readonly processors: readonly AnyProcessor[];
}

export function defineTopology(topology: Topology): Topology {
  checkName('application', topology.applicationId, /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/);
  const names = topology.processors.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new StreamsError('invalid-topology', `two processors are named ${twice}`);
  const inputs = topology.processors.flatMap(({ inputs }) => Object.values(inputs as Topics).map(({ name }) => name));
  const shared = inputs.find((name, index) => inputs.indexOf(name) !== index);
  if (shared !== undefined) {
    throw new StreamsError(
      'invalid-topology',
      `topic ${shared} is the input of two processors; offsets are kept once per application and topic, so let one of them read it`,
    );
  }
  return Object.freeze({ ...topology });
}

export const changelogTopic = (applicationId: string, processor: string, store: string): string =>
  `${applicationId}.${processor}.${store}.changelog`;

/** The topology as text, one block per processor: for a log line, a document, a test. */
export function describe({ applicationId, processors }: Topology): string {
  const lines = [`application ${applicationId}`];
  const list = (label: string, items: readonly string[]) => {
    if (items.length > 0) lines.push(`    ${label.padEnd(8)} ${items.join(', ')}`);
  };
  for (const processor of processors) {
    lines.push(`  processor ${processor.name} (grace ${processor.graceMs} ms, on error ${processor.onError})`);
    list('inputs', topicNames(processor.inputs));
    list('globals', topicNames(processor.globals ?? {}));
    for (const [name, { kind }] of Object.entries((processor.stores ?? {}) as StoreDefinitions))
      list('store', [`${name}: ${kind}`]);
    list('outputs', topicNames(processor.outputs));
    for (const node of processor.nodes ?? []) list('step', [describeNode(node)]);
  }
  return lines.join('\n');
}

function describeNode({ name, kind, from, detail }: TopologyNode): string {
  const about = [...(name === kind ? [] : [kind]), ...(detail === undefined || detail === name ? [] : [detail])];
  return `${name}${about.length === 0 ? '' : ` (${about.join(' ')})`}${from.length === 0 ? '' : ` <- ${from.join(', ')}`}`;
}

const topicNames = (topics: Topics): string[] => Object.values(topics).map(({ name }) => name);

/**
 * These become parts of topic names and transactional ids. No dots in what stands between dots: `a` with a processor `b.c`
 * must not name its changelogs as `a.b` with a processor `c` does.
 */
function checkName(what: string, name: string, allowed: RegExp): void {
  if (!allowed.test(name))
    throw new StreamsError('invalid-topology', `${what} name ${JSON.stringify(name)} does not match ${allowed.source}`);
}
