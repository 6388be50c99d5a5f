import type { Topic } from '../../src/index.ts';

/** A topic of JSON values; what `check` does not recognise cannot be decoded. */
export function checkedTopic<T>(
  name: string,
  of: Pick<Topic<T>, 'key' | 'timestampMs' | 'eventId'>,
  check: (value: T) => boolean,
): Topic<T> {
  return {
    name,
    schema: `${name}.v1`,
    encode: (value) => JSON.stringify(value),
    decode: (bytes) => {
      const value = JSON.parse(Buffer.from(bytes).toString('utf8')) as T;
      if (!check(value)) throw new Error(`not a record of ${name}`);
      return value;
    },
    ...of,
  };
}
