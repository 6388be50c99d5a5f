import type { Bag } from './sliding-range.ts';

/** How often each number occurs, for so many different numbers at most. */
export class ValueCounts implements Bag {
  readonly #counts = new Map<number, number>();
  readonly #distinctMax: number;

  constructor(distinctMax: number) {
    this.#distinctMax = distinctMax;
  }

  get distinct(): number {
    return this.#counts.size;
  }

  get overfull(): boolean {
    return this.#counts.size > this.#distinctMax;
  }

  of(value: number): number {
    return this.#counts.get(value) ?? 0;
  }

  add(value: number): void {
    this.#counts.set(value, this.of(value) + 1);
  }

  remove(value: number): void {
    const count = this.of(value);
    if (count > 1) this.#counts.set(value, count - 1);
    else this.#counts.delete(value);
  }

  clear(): void {
    this.#counts.clear();
  }
}
