import type { DeadLetterValue } from '../../src/dead-letter.ts';
import type { Topology } from '../../src/index.ts';

/** The wall clock of every harness when a case begins, epoch milliseconds. It moves by hand only. */
export const STARTED_AT_MS = 1_700_000_000_000;

export interface InputRecord {
  /** A value of the topic, bytes as they might lie there, or `null` for a tombstone. */
  readonly value: unknown;
  readonly key?: string;
  readonly timestampMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface OutputRecord {
  readonly key: string;
  /** As text; `null` is a tombstone. */
  readonly value: string | null;
  readonly timestampMs: number;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * A topology that runs, whatever runs it: the test driver, or the runtime on a real Kafka. What a case sees through
 * this it must see from both.
 */
export interface Harness {
  /** Writes records to a topic that the topology reads. They are processed in this order, also across calls. */
  pipe(topic: string, ...records: readonly InputRecord[]): Promise<void>;
  /** Writes to several topics what is to lie there before any of it is processed. */
  pipeTogether(inputs: Readonly<Record<string, readonly InputRecord[]>>): Promise<void>;
  /** Moves the wall clock while there is nothing to read; what that sets off has happened when it resolves. */
  passTime(ms: number): Promise<void>;
  /** Decoded values that a topic has received since the last call, once all that was piped is processed. */
  output<T>(topic: string): Promise<(T | null)[]>;
  /** The same as records. */
  records(topic: string): Promise<OutputRecord[]>;
  letters(): Promise<DeadLetterValue[]>;
  /** What a store has under a key, as it shows itself to a person; `undefined` when it has nothing. */
  look(processor: string, store: string, key: string): Promise<unknown>;
  /** Ends the application in order and begins it again: state comes from changelogs, time from what was committed. */
  restart(): Promise<void>;
  /** What ended the application for good, once it has. */
  failure(): Promise<Error>;
}

export interface ContractCase {
  /** A sentence about behaviour: the name of the test. */
  readonly name: string;
  /** Of every topic, where there is Kafka. What a case with more than one expects holds for each key, not across keys. */
  readonly partitions?: number;
  /** `prefix` goes before the names of application and topics, so that cases do not meet on one broker. */
  run(world: { readonly prefix: string; open(topology: Topology): Promise<Harness> }): Promise<void>;
}
