import type { ReadBatch, TopicPartition } from '@millrace/kafka';
import { StreamsError } from '../errors.ts';
import type { StateStore } from '../stores/store.ts';

const KEY_LENGTH_SHOWN = 200;

/**
 * The way of one changelog partition into its store. A record that the store cannot read may be out of date: compaction
 * removes it some time after a later record of its key. So it is an error only when no later one has come by the end.
 */
export class ChangelogFeed {
  readonly partition: TopicPartition;
  readonly #applicationId: string;
  readonly #store: StateStore;
  readonly #unread = new Map<string, StreamsError>();
  nextOffset: number | 'start' = 'start';
  /** Offsets up to the end of the partition, at the last fetch; some of them hold no record. */
  remaining = 0;
  records = 0;
  bytes = 0;

  constructor(applicationId: string, partition: TopicPartition, store: StateStore) {
    this.#applicationId = applicationId;
    this.partition = partition;
    this.#store = store;
  }

  get id(): string {
    return `${this.partition.topic}/${this.partition.partition}`;
  }

  apply({ records, nextOffset, endOffset }: ReadBatch): void {
    for (const { key: keyBytes, value, offset } of records) {
      const key = keyBytes?.toString('utf8') ?? '';
      this.bytes += (keyBytes?.length ?? 0) + (value?.length ?? 0);
      try {
        this.#store.restore(key, value);
        if (this.#unread.size > 0) this.#unread.delete(key);
      } catch (error) {
        this.#unread.set(key, this.#corruptAt(offset, key, error));
      }
    }
    this.records += records.length;
    this.nextOffset = nextOffset;
    this.remaining = Math.max(0, endOffset - nextOffset);
  }

  /** Throws `changelog-corrupt`, with the way out, if the store could not take all that counts. */
  check(): void {
    for (const error of this.#unread.values()) throw error;
  }

  #corruptAt(offset: number, key: string, cause: unknown): StreamsError {
    const { topic, partition } = this.partition;
    const forget = `npm run changelog -- forget --application ${this.#applicationId} --topic ${topic} --partition ${partition} --offset ${offset}`;
    return new StreamsError(
      'changelog-corrupt',
      `${topic}-${partition}@${offset}, key ${JSON.stringify(key.slice(0, KEY_LENGTH_SHOWN))}: ${cause instanceof Error ? cause.message : String(cause)}. To go on without what is known of this key: ${forget} (docs/operations.md)`,
      { cause },
    );
  }
}
