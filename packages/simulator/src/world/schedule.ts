/** What is to happen at a time, earliest first; of two at the same time, the one that was added first. */
export interface Schedule<T> {
  readonly size: number;
  add(atMs: number, item: T): void;
  /** When the earliest is due; Infinity when there is none. */
  nextMs(): number;
  take(): T;
}

/** A binary heap: O(log n) for `add` and `take`. */
export function createSchedule<T>(): Schedule<T> {
  const heap: { readonly atMs: number; readonly order: number; readonly item: T }[] = [];
  let added = 0;

  const before = (left: number, right: number): boolean => {
    const a = heap[left];
    const b = heap[right];
    if (a === undefined || b === undefined) return a !== undefined;
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
  };
  const swap = (left: number, right: number): void => {
    const a = heap[left];
    const b = heap[right];
    if (a === undefined || b === undefined) return;
    heap[left] = b;
    heap[right] = a;
  };

  return {
    get size() {
      return heap.length;
    },
    add(atMs, item) {
      heap.push({ atMs, order: added, item });
      added += 1;
      for (let child = heap.length - 1; child > 0; ) {
        const parent = (child - 1) >> 1;
        if (!before(child, parent)) break;
        swap(child, parent);
        child = parent;
      }
    },
    nextMs: () => heap[0]?.atMs ?? Number.POSITIVE_INFINITY,
    take() {
      const first = heap[0];
      const last = heap.pop();
      if (first === undefined || last === undefined) throw new RangeError('take from an empty schedule');
      if (heap.length > 0) heap[0] = last;
      for (let parent = 0; ; ) {
        const left = 2 * parent + 1;
        if (left >= heap.length) break;
        const child = before(left + 1, left) ? left + 1 : left;
        if (!before(child, parent)) break;
        swap(child, parent);
        parent = child;
      }
      return first.item;
    },
  };
}
