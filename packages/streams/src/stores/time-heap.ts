/** Numbers by time, the earliest first: a binary heap. */
export class TimeHeap {
  readonly #times: number[] = [];
  readonly #items: number[] = [];

  /** The earliest time; `Infinity` when there is none. */
  get earliestMs(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  push(timeMs: number, item: number): void {
    let at = this.#times.length;
    for (let parent = (at - 1) >> 1; at > 0 && (this.#times[parent] as number) > timeMs; parent = (at - 1) >> 1) {
      this.#put(at, this.#times[parent] as number, this.#items[parent] as number);
      at = parent;
    }
    this.#put(at, timeMs, item);
  }

  /** Removes an item of the earliest time. Not to be called when there is none. */
  pop(): number {
    const item = this.#items[0] as number;
    const timeMs = this.#times.pop() as number;
    const last = this.#items.pop() as number;
    const length = this.#times.length;
    if (length === 0) return item;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < length && (this.#times[child + 1] as number) < (this.#times[child] as number)) child += 1;
      if (child >= length || (this.#times[child] as number) >= timeMs) break;
      this.#put(at, this.#times[child] as number, this.#items[child] as number);
      at = child;
    }
    this.#put(at, timeMs, last);
    return item;
  }

  #put(at: number, timeMs: number, item: number): void {
    this.#times[at] = timeMs;
    this.#items[at] = item;
  }
}
