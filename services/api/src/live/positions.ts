/** Where a feed is in each partition of its topics. */
export class FeedPositions {
  readonly #topics: readonly string[];
  /** By topic, then partition: the next offset. */
  readonly #next: number[][];
  /** From which offset on all records have been kept. */
  readonly #kept: number[][];

  constructor(topics: readonly { readonly topic: string; readonly offsets: readonly number[] }[]) {
    this.#topics = topics.map(({ topic }) => topic);
    this.#next = topics.map(({ offsets }) => [...offsets]);
    this.#kept = topics.map(({ offsets }) => [...offsets]);
  }

  isEmpty(): boolean {
    return this.#topics.length === 0;
  }

  list(): { topic: string; partition: number; offset: number }[] {
    return this.#topics.flatMap((topic, index) =>
      (this.#next[index] ?? []).map((offset, partition) => ({ topic, partition, offset })),
    );
  }

  offset(topic: string, partition: number): number {
    return this.#next[this.#topics.indexOf(topic)]?.[partition] ?? 0;
  }

  move(topic: string, partition: number, nextOffset: number): void {
    const offsets = this.#next[this.#topics.indexOf(topic)];
    if (offsets !== undefined) offsets[partition] = nextOffset;
  }

  /** The record at `offset` is kept no longer. */
  forget(topic: string, partition: number, offset: number): void {
    const offsets = this.#kept[this.#topics.indexOf(topic)];
    if (offsets !== undefined) offsets[partition] = offset + 1;
  }

  /** Whether every record behind `from` is kept. */
  covers(from: FeedPositions): boolean {
    return this.#kept.every((offsets, index) =>
      offsets.every((kept, partition) => (from.#next[index]?.[partition] ?? -1) >= kept),
    );
  }

  /** `12.0.7.3_5.5.5.5`: the next offset of each partition, topic by topic. Fits an HTTP header. */
  format(): string {
    return this.#next.map((offsets) => offsets.join('.')).join('_');
  }

  /** Undefined when the text is not of these topics and partitions. */
  parse(text: string): FeedPositions | undefined {
    const topics = text.split('_').map((part) => part.split('.'));
    const fits =
      topics.length === this.#next.length &&
      topics.every(
        (offsets, index) =>
          offsets.length === this.#next[index]?.length && offsets.every((offset) => /^\d{1,15}$/.test(offset)),
      );
    if (!fits) return undefined;
    return new FeedPositions(
      this.#topics.map((topic, index) => ({ topic, offsets: (topics[index] ?? []).map(Number) })),
    );
  }
}
