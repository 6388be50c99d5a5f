import type { IndexPart } from './key-index.ts';

/** A collection of numbers of which each can be taken out again. */
export interface Bag {
  add(value: number): void;
  /** Takes out a number that has been added. */
  remove(value: number): void;
  clear(): void;
  /** It has taken more than it can: what is in it now counts for nothing. */
  readonly overfull: boolean;
}

/** A collection of the values of those rows that lie in a window, kept up while the window moves on. */
export class SlidingRange<B extends Bag> implements IndexPart {
  readonly #valueAt: (position: number) => number;
  readonly #bag: B;
  #from: number;
  #to: number;

  constructor(valueAt: (position: number) => number, bag: B, start: number) {
    this.#valueAt = valueAt;
    this.#bag = bag;
    this.#from = start;
    this.#to = start;
  }

  /**
   * The collection for the rows [from, to): each row goes in once and out once. Undefined when the question goes back
   * behind an earlier one, or when the bag is overfull; then it is empty until the window has moved on past all of that.
   */
  between(from: number, to: number): B | undefined {
    if (from < this.#from || to < this.#to) return undefined;
    if (from >= this.#to) this.#restart(from);
    for (; this.#from < from; this.#from++) this.#bag.remove(this.#valueAt(this.#from));
    for (; this.#to < to && !this.#bag.overfull; this.#to++) this.#bag.add(this.#valueAt(this.#to));
    if (!this.#bag.overfull) return this.#bag;
    this.#restart(to);
    return undefined;
  }

  inserted(position: number): void {
    if (position >= this.#to) return;
    this.#to += 1;
    if (position < this.#from) this.#from += 1;
    else this.#bag.add(this.#valueAt(position));
    if (this.#bag.overfull) this.#restart(this.#to);
  }

  dropping(position: number): void {
    if (position < this.#from) return;
    if (position < this.#to) this.#bag.remove(this.#valueAt(position));
    this.#from = position + 1;
    this.#to = Math.max(this.#to, this.#from);
  }

  #restart(position: number): void {
    this.#bag.clear();
    this.#from = position;
    this.#to = position;
  }
}
