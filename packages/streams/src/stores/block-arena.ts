import { StreamsError } from '../errors.ts';

/** Blocks lie in pages of so many doubles: 256 KiB. */
const PAGE_BITS = 15;
const PAGE_DOUBLES = 2 ** PAGE_BITS;
/** A larger block has a page of its own, so that the end of a page into which no block fits is small. */
const SHARED_DOUBLES_MAX = PAGE_DOUBLES / 8;
const OFFSET_MASK = PAGE_DOUBLES - 1;
/** A page is emptied when less than this share of what was written to it still lives: that moves together elsewhere. */
const USED_SHARE_MIN = 2 / 3;
/** A place is a page and an offset in 32 bits. */
const PAGES_MAX = 2 ** (32 - PAGE_BITS);
/** Empty pages that are kept for the next need rather than given back. */
const SPARE_PAGES_MAX = 16;

/** What stands before the content of a block: its slot, or DEAD, and its size in doubles with all that. */
const SLOT = 0;
const SIZE = 1;
const BLOCK_HEADER = 2;
const DEAD = -1;

/**
 * Memory for millions of small tables of doubles, outside of the heap that is searched for garbage: one object for every
 * few hundred of them. Blocks are written one behind the other, as in a log; one that is freed or grows leaves a hole,
 * and a page with too many holes is emptied, so that about two thirds of the memory or more are in use, and a double that
 * is freed costs the copying of two at most.
 *
 * A block is known by its slot. Where it lies changes with every call of `allocate`, `resize` and `free`, of this block
 * or another: ask `pageOf` and `offsetOf` again after each.
 */
export class BlockArena {
  readonly #pages: (Float64Array | undefined)[] = [];
  /** Doubles of each page that belong to living blocks, and that have been written to at all. */
  readonly #used: number[] = [];
  readonly #filled: number[] = [];
  /** Page and offset of the block of each slot. */
  readonly #places: number[] = [];
  readonly #freeSlots: number[] = [];
  readonly #freePages: number[] = [];
  readonly #spare: Float64Array[] = [];
  #current = this.#openPage(PAGE_DOUBLES);

  /** A block with room for so many doubles; returns its slot. What is in it is undefined. */
  allocate(doubles: number): number {
    const size = BLOCK_HEADER + doubles;
    const place = this.#take(size);
    const slot = this.#freeSlots.pop() ?? this.#places.length;
    this.#claim(place, slot, size);
    return slot;
  }

  /** Gives a block another size; as much of its content stays as has room. */
  resize(slot: number, doubles: number): void {
    const size = BLOCK_HEADER + doubles;
    const place = this.#take(size);
    const from = this.pageOf(slot); // only now: room for the new block may have been made by moving the old one
    const start = this.offsetOf(slot) - BLOCK_HEADER;
    const to = this.#pages[place >>> PAGE_BITS] as Float64Array;
    copy(from, start, to, place & OFFSET_MASK, Math.min(size, from[start + SIZE] as number));
    const old = this.#places[slot] as number;
    this.#claim(place, slot, size);
    this.#discard(old);
  }

  free(slot: number): void {
    this.#freeSlots.push(slot);
    this.#discard(this.#places[slot] as number);
  }

  /** The page that a block lies in. */
  pageOf(slot: number): Float64Array {
    return this.#pages[(this.#places[slot] as number) >>> PAGE_BITS] as Float64Array;
  }

  /** Where in its page the content of a block begins. */
  offsetOf(slot: number): number {
    return ((this.#places[slot] as number) & OFFSET_MASK) + BLOCK_HEADER;
  }

  /** Room for content in a block, in doubles. */
  sizeOf(slot: number): number {
    return (this.pageOf(slot)[this.offsetOf(slot) - BLOCK_HEADER + SIZE] as number) - BLOCK_HEADER;
  }

  /** Memory of all pages, spare ones too. */
  get bytes(): number {
    let doubles = this.#spare.length * PAGE_DOUBLES;
    for (const page of this.#pages) doubles += page?.length ?? 0;
    return doubles * Float64Array.BYTES_PER_ELEMENT;
  }

  #claim(place: number, slot: number, size: number): void {
    const page = this.#pages[place >>> PAGE_BITS] as Float64Array;
    page[(place & OFFSET_MASK) + SLOT] = slot;
    page[(place & OFFSET_MASK) + SIZE] = size;
    this.#places[slot] = place;
  }

  /** Room for a block at the end of the current page, or in a new one. */
  #take(size: number): number {
    let index = this.#current;
    if (size > SHARED_DOUBLES_MAX) {
      index = this.#openPage(size);
    } else if ((this.#filled[index] as number) + size > PAGE_DOUBLES) {
      this.#current = this.#openPage(PAGE_DOUBLES);
      this.#emptyIfSparse(index);
      return this.#take(size);
    }
    const offset = this.#filled[index] as number;
    this.#filled[index] = offset + size;
    this.#used[index] = (this.#used[index] as number) + size;
    return index * PAGE_DOUBLES + offset;
  }

  #discard(place: number): void {
    const index = place >>> PAGE_BITS;
    const page = this.#pages[index] as Float64Array;
    const start = place & OFFSET_MASK;
    page[start + SLOT] = DEAD;
    this.#used[index] = (this.#used[index] as number) - (page[start + SIZE] as number);
    if (index !== this.#current) this.#emptyIfSparse(index);
  }

  #emptyIfSparse(index: number): void {
    const page = this.#pages[index] as Float64Array;
    const end = this.#filled[index] as number;
    if ((this.#used[index] as number) >= end * USED_SHARE_MIN) return;
    for (let start = 0; start < end; start += page[start + SIZE] as number) {
      const slot = page[start + SLOT] as number;
      if (slot === DEAD) continue;
      const size = page[start + SIZE] as number;
      const place = this.#take(size);
      copy(page, start, this.#pages[place >>> PAGE_BITS] as Float64Array, place & OFFSET_MASK, size);
      this.#places[slot] = place;
    }
    this.#pages[index] = undefined;
    this.#freePages.push(index);
    if (page.length === PAGE_DOUBLES && this.#spare.length < SPARE_PAGES_MAX) this.#spare.push(page);
  }

  #openPage(doubles: number): number {
    const index = this.#freePages.pop() ?? this.#pages.length;
    if (index === PAGES_MAX)
      throw new StreamsError('store-full', `a store has ${PAGES_MAX} pages of memory, its limit: use more partitions`);
    const spare = doubles === PAGE_DOUBLES ? this.#spare.pop() : undefined;
    this.#pages[index] = spare ?? new Float64Array(doubles);
    this.#used[index] = 0;
    this.#filled[index] = 0;
    return index;
  }
}

function copy(from: Float64Array, start: number, to: Float64Array, at: number, size: number): void {
  for (let i = 0; i < size; i++) to[at + i] = from[start + i] as number;
}
