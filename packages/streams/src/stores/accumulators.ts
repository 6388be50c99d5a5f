import { Buffer } from 'node:buffer'; // the global of that name is a getter, and this is a hot path
import type { Aggregation, NumericAggregation, ObjectAggregation } from '../windows/aggregations.ts';

/** Accumulators of one aggregation, addressed by number. */
export interface Accumulators<V, R> {
  /** Makes room for accumulators 0 to `cells - 1`; what there is stays. */
  resize(cells: number): void;
  /** Begins an accumulator anew. */
  reset(cell: number): void;
  /** Lets go of what it holds. */
  release(cell: number): void;
  add(cell: number, value: V): void;
  merge(cell: number, from: number): void;
  result(cell: number): R;
  /** The accumulator as bytes, behind so many bytes for the caller to fill. */
  encode(cell: number, headerBytes: number): Buffer;
  /** Throws when the bytes behind the header are no accumulator. */
  decode(cell: number, value: Buffer, headerBytes: number): void;
}

export function createAccumulators<V, R>(aggregation: Aggregation<V, R>): Accumulators<V, R> {
  return aggregation.kind === 'numeric' ? new NumericAccumulators(aggregation) : new ObjectAccumulators(aggregation);
}

const DOUBLE_BYTES = 8;

class NumericAccumulators<V, R> implements Accumulators<V, R> {
  readonly #aggregation: NumericAggregation<V, R>;
  readonly #width: number;
  #table = new Float64Array(0);

  constructor(aggregation: NumericAggregation<V, R>) {
    this.#aggregation = aggregation;
    this.#width = aggregation.width;
  }

  resize(cells: number): void {
    const table = new Float64Array(cells * this.#width);
    table.set(this.#table);
    this.#table = table;
  }

  reset(cell: number): void {
    this.#aggregation.init(this.#table, cell * this.#width);
  }

  release(): void {}

  add(cell: number, value: V): void {
    this.#aggregation.add(this.#table, cell * this.#width, value);
  }

  merge(cell: number, from: number): void {
    this.#aggregation.merge(this.#table, cell * this.#width, from * this.#width);
  }

  result(cell: number): R {
    return this.#aggregation.result(this.#table, cell * this.#width);
  }

  encode(cell: number, headerBytes: number): Buffer {
    const value = Buffer.allocUnsafe(headerBytes + this.#width * DOUBLE_BYTES);
    for (let i = 0; i < this.#width; i++)
      value.writeDoubleLE(this.#table[cell * this.#width + i] as number, headerBytes + i * DOUBLE_BYTES);
    return value;
  }

  decode(cell: number, value: Buffer, headerBytes: number): void {
    const wanted = this.#width * DOUBLE_BYTES;
    if (value.length - headerBytes !== wanted)
      throw new Error(`an accumulator of ${value.length - headerBytes} bytes, not ${wanted}`);
    for (let i = 0; i < this.#width; i++)
      this.#table[cell * this.#width + i] = value.readDoubleLE(headerBytes + i * DOUBLE_BYTES);
  }
}

class ObjectAccumulators<V, R> implements Accumulators<V, R> {
  readonly #aggregation: ObjectAggregation<V, R>;
  readonly #objects: unknown[] = [];

  constructor(aggregation: ObjectAggregation<V, R>) {
    this.#aggregation = aggregation;
  }

  resize(): void {}

  reset(cell: number): void {
    this.#objects[cell] = this.#aggregation.create();
  }

  release(cell: number): void {
    this.#objects[cell] = undefined;
  }

  add(cell: number, value: V): void {
    this.#objects[cell] = this.#aggregation.add(this.#objects[cell], value);
  }

  merge(cell: number, from: number): void {
    this.#objects[cell] = this.#aggregation.merge(this.#objects[cell], this.#objects[from]);
  }

  result(cell: number): R {
    return this.#aggregation.result(this.#objects[cell]);
  }

  encode(cell: number, headerBytes: number): Buffer {
    const encoded = this.#aggregation.encode(this.#objects[cell]);
    const bytes = typeof encoded === 'string' ? Buffer.from(encoded, 'utf8') : encoded;
    const value = Buffer.allocUnsafe(headerBytes + bytes.length);
    value.set(bytes, headerBytes);
    return value;
  }

  decode(cell: number, value: Buffer, headerBytes: number): void {
    this.#objects[cell] = this.#aggregation.decode(value.subarray(headerBytes));
  }
}
