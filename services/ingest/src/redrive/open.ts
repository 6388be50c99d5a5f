import type { Topics } from '@millrace/contracts';
import type { Kafka } from '@millrace/kafka';
import type { Logger } from '@millrace/observability';
import type { EventKinds } from '../event-kinds.ts';
import { createLetterReader } from './read-letter.ts';
import { createMessageReader, type MessageReaderOptions } from './read-message.ts';
import { createRedriver, type Redriver } from './redriver.ts';

export interface OpenRedriverOptions extends MessageReaderOptions {
  readonly kafka: Kafka;
  readonly topics: Topics;
  readonly kinds: EventKinds;
  readonly tokenizeCard: (cardNumber: string) => string;
  readonly nowMs: () => number;
  readonly logger: Logger;
}

/** The redriver of this service: letters come in the way that they, or what they were made from, came in first. */
export function openRedriver(options: OpenRedriverOptions): Redriver {
  return createRedriver({
    ...options,
    readLetter: createLetterReader({ ...options, readMqtt: createMessageReader(options) }),
  });
}
