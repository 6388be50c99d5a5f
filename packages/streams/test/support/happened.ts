import type { Topic } from '../../src/index.ts';

/** Something that happened, for tests of operators: which key, when, and a number. */
export interface Happened {
  readonly id: string;
  readonly key: string;
  readonly atMs: number;
  readonly amount: number;
}

/** A topic of whatever has an id, a key and a time. */
export const happenedTopic = <T extends Omit<Happened, 'amount'> = Happened>(name: string): Topic<T> => ({
  name,
  schema: `${name}.v1`,
  decode: (bytes) => JSON.parse(Buffer.from(bytes).toString('utf8')) as T,
  encode: (value) => JSON.stringify(value),
  key: ({ key }) => key,
  timestampMs: ({ atMs }) => atMs,
  eventId: ({ id }) => id,
});
