/** Something that waits until stream time has passed a moment. */
export interface Closing {
  readonly closesAtMs: number;
  /** The earlier of two that close at the same time. */
  readonly sequence: number;
}

/** What closes next stands at the front, whatever order it came in: a binary heap, O(log n) each way. */
export class ClosingQueue<T extends Closing> {
  readonly #heap: T[] = [];

  get first(): T | undefined {
    return this.#heap[0];
  }

  add(item: T): void {
    const heap = this.#heap;
    let at = heap.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as T;
      if (!isBefore(item, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = item;
  }

  removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1] as T, heap[child] as T)) child += 1;
      const below = heap[child] as T;
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

const isBefore = (a: Closing, b: Closing): boolean =>
  a.closesAtMs < b.closesAtMs || (a.closesAtMs === b.closesAtMs && a.sequence < b.sequence);
