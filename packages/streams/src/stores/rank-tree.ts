import type { Bag } from './sliding-range.ts';

const NONE = 0;

/**
 * A sorted collection of numbers that knows the k-th of them: a treap (Seidel, Aragon 1996) with the size of every
 * subtree; `add`, `remove` and `at` in O(log n) expected.
 */
export class RankTree implements Bag {
  readonly overfull = false;
  // Node 0 is none.
  readonly #value = [0];
  readonly #left = [NONE];
  readonly #right = [NONE];
  readonly #size = [0];
  readonly #priority = [0];
  readonly #free: number[] = [];
  #root = NONE;
  #random = 0x9e3779b9;
  /** The second half of the last `#split`. */
  #rest = NONE;

  get size(): number {
    return this.#size[this.#root] as number;
  }

  add(value: number): void {
    const less = this.#split(this.#root, value);
    const rest = this.#rest;
    this.#root = this.#merge(this.#merge(less, this.#node(value)), rest);
  }

  /** Takes out one number that is in it. */
  remove(value: number): void {
    let parent = NONE;
    let node = this.#root;
    let wentLeft = false;
    while (this.#value[node] !== value) {
      this.#size[node] = (this.#size[node] as number) - 1;
      parent = node;
      wentLeft = value < (this.#value[node] as number);
      node = (wentLeft ? this.#left[node] : this.#right[node]) as number;
    }
    const merged = this.#merge(this.#left[node] as number, this.#right[node] as number);
    if (parent === NONE) this.#root = merged;
    else if (wentLeft) this.#left[parent] = merged;
    else this.#right[parent] = merged;
    this.#free.push(node);
  }

  clear(): void {
    for (const list of [this.#value, this.#left, this.#right, this.#size, this.#priority]) list.length = 1;
    this.#free.length = 0;
    this.#root = NONE;
  }

  /** The number of a rank, counted from 0 for the smallest. */
  at(rank: number): number {
    let node = this.#root;
    let before = rank;
    for (;;) {
      const left = this.#left[node] as number;
      const smaller = this.#size[left] as number;
      if (before === smaller) return this.#value[node] as number;
      if (before < smaller) node = left;
      else {
        before -= smaller + 1;
        node = this.#right[node] as number;
      }
    }
  }

  #node(value: number): number {
    const node = this.#free.pop() ?? this.#value.length;
    // xorshift32: any numbers will do, and the same each time are easier to search for faults.
    this.#random ^= this.#random << 13;
    this.#random ^= this.#random >>> 17;
    this.#random ^= this.#random << 5;
    this.#value[node] = value;
    this.#left[node] = NONE;
    this.#right[node] = NONE;
    this.#size[node] = 1;
    this.#priority[node] = this.#random;
    return node;
  }

  /** Parts a subtree into the numbers below a value, which it returns, and the others (`#rest`). */
  #split(node: number, value: number): number {
    if (node === NONE) {
      this.#rest = NONE;
      return NONE;
    }
    if ((this.#value[node] as number) < value) {
      this.#right[node] = this.#split(this.#right[node] as number, value);
      this.#count(node);
      return node;
    }
    const less = this.#split(this.#left[node] as number, value);
    this.#left[node] = this.#rest;
    this.#count(node);
    this.#rest = node;
    return less;
  }

  /** One tree of two, of which all of the first is not above all of the second. */
  #merge(first: number, second: number): number {
    if (first === NONE) return second;
    if (second === NONE) return first;
    if ((this.#priority[first] as number) > (this.#priority[second] as number)) {
      this.#right[first] = this.#merge(this.#right[first] as number, second);
      this.#count(first);
      return first;
    }
    this.#left[second] = this.#merge(first, this.#left[second] as number);
    this.#count(second);
    return second;
  }

  #count(node: number): void {
    const left = this.#size[this.#left[node] as number] as number;
    this.#size[node] = left + (this.#size[this.#right[node] as number] as number) + 1;
  }
}
