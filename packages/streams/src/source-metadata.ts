import { headerOf, type InRecord } from '@millrace/kafka';
import type { RecentTexts } from './recent-texts.ts';
import type { RecordMetadata } from './topology.ts';

/** What of a record is not at hand is decoded at the first look: most processors need a key, or nothing. */
export class SourceMetadata implements RecordMetadata {
  readonly #record: InRecord;
  readonly #keys: RecentTexts;
  readonly late: boolean;
  #key: string | undefined;

  constructor(record: InRecord, late: boolean, keys: RecentTexts) {
    this.#record = record;
    this.late = late;
    this.#keys = keys;
  }

  get topic(): string {
    return this.#record.topic;
  }

  get partition(): number {
    return this.#record.partition;
  }

  get offset(): number {
    return this.#record.offset;
  }

  get timestampMs(): number {
    return this.#record.timestampMs;
  }

  get key(): string {
    if (this.#key === undefined) {
      const bytes = this.#record.key;
      this.#key = bytes === null ? '' : this.#keys.read(bytes, 0, bytes.length);
    }
    return this.#key;
  }

  get traceparent(): string | undefined {
    return headerOf(this.#record, 'traceparent')?.toString('latin1');
  }

  get ingestedAtMs(): number {
    const ingestedAtMs = Number(headerOf(this.#record, 'ingested_at')?.toString('latin1'));
    return Number.isSafeInteger(ingestedAtMs) && ingestedAtMs > 0 ? ingestedAtMs : this.#record.timestampMs;
  }
}
