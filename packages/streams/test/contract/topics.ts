import { keyValueStore, type Topic } from '../../src/index.ts';
import { checkedTopic } from '../support/checked-topic.ts';

/** What the cases pipe in. */
export interface Entry {
  readonly id: string;
  readonly account: string;
  readonly amount: number;
  readonly atMs: number;
}

/** What their processors say about it. */
export interface Note {
  readonly id: string;
  readonly account: string;
  readonly atMs: number;
  readonly says: unknown;
}

/** A fact that is true from a moment on. */
export interface Fact {
  readonly account: string;
  readonly name: string;
  readonly atMs: number;
}

export const entryTopic = (name: string): Topic<Entry> =>
  checkedTopic<Entry>(
    name,
    { key: ({ account }) => account, timestampMs: ({ atMs }) => atMs, eventId: ({ id }) => id },
    ({ amount }) => typeof amount === 'number',
  );

export const noteTopic = (name: string): Topic<Note> =>
  checkedTopic<Note>(
    name,
    { key: ({ account }) => account, timestampMs: ({ atMs }) => atMs, eventId: ({ id }) => id },
    ({ says }) => says !== undefined,
  );

export const factTopic = (name: string): Topic<Fact> =>
  checkedTopic<Fact>(
    name,
    { key: ({ account }) => account, timestampMs: ({ atMs }) => atMs, eventId: ({ account }) => account },
    ({ name: value }) => typeof value === 'string',
  );

/** An entry to pipe; the id says what it is for. */
export const entry = (id: string, account: string, amount: number, atMs: number): { value: Entry } => ({
  value: { id, account, amount, atMs },
});

export const fact = (account: string, name: string, atMs: number): { value: Fact } => ({
  value: { account, name, atMs },
});

export const noteOf = ({ id, account, atMs }: Entry, says: unknown): Note => ({ id, account, atMs, says });

export const says = (notes: readonly (Note | null)[]): unknown[] => notes.map((note) => note?.says ?? null);

export const numbers = (options: { readonly entriesMax?: number; readonly ttlMs?: number } = {}) =>
  keyValueStore<number>({
    encode: String,
    decode: (bytes) => Number(bytes.toString('utf8')),
    entriesMax: options.entriesMax ?? 1_000,
    ...(options.ttlMs === undefined ? {} : { ttlMs: options.ttlMs }),
  });
