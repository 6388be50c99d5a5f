import type { DeadLetterValue } from '../../src/dead-letter.ts';
import type { Topic } from '../../src/index.ts';

export const deadLetterTopic = (prefix: string): Topic<DeadLetterValue> => ({
  name: `${prefix}dead-letters`,
  schema: 'dead-letter.v1',
  decode: (bytes) => JSON.parse(Buffer.from(bytes).toString('utf8')) as DeadLetterValue,
  encode: (letter) => JSON.stringify(letter),
  key: ({ id }) => id,
  timestampMs: ({ failed_at }) => failed_at,
  eventId: ({ id }) => id,
});
