import { StreamsError } from '../errors.ts';

const PRECISION_DEFAULT = 11;
const PRECISION_MIN = 4;
const PRECISION_MAX = 16;
const HASH_BITS = 32;
const HASHES = 2 ** HASH_BITS;
/** Hashes that a new sketch has room for. */
const SPARSE_START = 4;
const HASH_BYTES = 4;
const DENSE = 0x80;

// The bits of a double as two 32-bit words.
const DOUBLE = new Float64Array(1);
const WORDS = new Uint32Array(DOUBLE.buffer);

/**
 * How many different numbers there were, in little memory (Flajolet, Fusy, Gandouet, Meunier 2007).
 *
 * Up to `2^precision / 4` different numbers (512 by default) their 32-bit hashes are kept as they are, 4 bytes each, and
 * the count is exact but for numbers with the same hash (one pair in 4e9). Beyond that there are `2^precision` registers
 * of a byte (2 KiB by default), and the relative standard error is 1.04 / sqrt(2^precision): 2.3 % by default.
 *
 * State and count depend on the set of numbers only, not on their order, their repetition, or how it was merged.
 */
export class HyperLogLog {
  readonly precision: number;
  /** Sorted, the first `#length` of them; until there are too many. */
  #hashes: Uint32Array | undefined = new Uint32Array(SPARSE_START);
  #length = 0;
  /** For every register the largest rank: the position of the first 1 in the rest of a hash, counted from 1. */
  #registers: Uint8Array | undefined;

  constructor(precision = PRECISION_DEFAULT) {
    if (!Number.isInteger(precision) || precision < PRECISION_MIN || precision > PRECISION_MAX) {
      throw new StreamsError(
        'invalid-topology',
        `the precision of a HyperLogLog must be ${PRECISION_MIN} to ${PRECISION_MAX}, not ${precision}`,
      );
    }
    this.precision = precision;
  }

  /** Reads what `bytes` gave; throws `changelog-corrupt` when it cannot have given that. */
  static from(bytes: Uint8Array): HyperLogLog {
    const [head = 0] = bytes;
    const precision = head & ~DENSE;
    const length = (bytes.length - 1) / HASH_BYTES;
    const dense = (head & DENSE) !== 0;
    if (
      precision < PRECISION_MIN ||
      precision > PRECISION_MAX ||
      (dense ? bytes.length !== 1 + 2 ** precision : !Number.isInteger(length) || length > sparseMax(precision))
    )
      throw new StreamsError('changelog-corrupt', `${bytes.length} bytes are no HyperLogLog of precision ${precision}`);
    const sketch = new HyperLogLog(precision);
    if (dense) {
      sketch.#hashes = undefined;
      sketch.#registers = bytes.slice(1);
    } else {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let i = 0; i < length; i++) sketch.#addHash(view.getUint32(1 + i * HASH_BYTES, true));
    }
    return sketch;
  }

  /** Any number: an id's 53-bit hash, or a value as it is. Equal numbers count once. */
  add(value: number): void {
    this.#addHash(mix(value));
  }

  /** The estimate, rounded to a whole number. */
  count(): number {
    return this.#registers === undefined ? this.#length : Math.round(estimate(this.#registers, this.precision));
  }

  /** Takes in what another sketch of the same precision has counted. */
  merge(other: HyperLogLog): void {
    if (other.precision !== this.precision) {
      throw new StreamsError(
        'invalid-topology',
        `HyperLogLogs of precision ${this.precision} and ${other.precision} cannot be merged`,
      );
    }
    if (other.#registers === undefined) {
      for (let i = 0; i < other.#length; i++) this.#addHash(other.#hashes?.[i] ?? 0);
      return;
    }
    const registers = this.#densify();
    for (let i = 0; i < registers.length; i++) {
      const rank = other.#registers[i] ?? 0;
      if (rank > (registers[i] ?? 0)) registers[i] = rank;
    }
  }

  /** A byte of precision (with the high bit when registers follow), then hashes (32 bits, little-endian) or registers. */
  get bytes(): Uint8Array {
    const registers = this.#registers;
    const bytes = new Uint8Array(1 + (registers?.length ?? this.#length * HASH_BYTES));
    if (registers !== undefined) {
      bytes[0] = this.precision | DENSE;
      bytes.set(registers, 1);
    } else {
      bytes[0] = this.precision;
      const view = new DataView(bytes.buffer);
      for (let i = 0; i < this.#length; i++) view.setUint32(1 + i * HASH_BYTES, this.#hashes?.[i] ?? 0, true);
    }
    return bytes;
  }

  #addHash(hash: number): void {
    if (this.#registers === undefined && this.#keep(hash)) return;
    addToRegisters(this.#densify(), this.precision, hash);
  }

  /** Keeps a hash as it is; false when there are too many. */
  #keep(hash: number): boolean {
    const hashes = this.#hashes as Uint32Array;
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((hashes[middle] as number) < hash) low = middle + 1;
      else high = middle;
    }
    if (low < this.#length && hashes[low] === hash) return true;
    if (this.#length === sparseMax(this.precision)) return false;
    const roomy = this.#length < hashes.length ? hashes : enlarge(hashes);
    roomy.copyWithin(low + 1, low, this.#length);
    roomy[low] = hash;
    this.#hashes = roomy;
    this.#length += 1;
    return true;
  }

  #densify(): Uint8Array {
    if (this.#registers === undefined) {
      this.#registers = new Uint8Array(2 ** this.precision);
      for (let i = 0; i < this.#length; i++) addToRegisters(this.#registers, this.precision, this.#hashes?.[i] ?? 0);
      this.#hashes = undefined;
    }
    return this.#registers;
  }
}

/** As many hashes as take the room of the registers. */
const sparseMax = (precision: number): number => 2 ** precision / HASH_BYTES;

function enlarge(hashes: Uint32Array): Uint32Array {
  const larger = new Uint32Array(hashes.length * 2);
  larger.set(hashes);
  return larger;
}

function addToRegisters(registers: Uint8Array, precision: number, hash: number): void {
  const register = hash >>> (HASH_BITS - precision);
  const rank = Math.min(Math.clz32(hash << precision), HASH_BITS - precision) + 1;
  if (rank > (registers[register] as number)) registers[register] = rank;
}

/**
 * The improved estimator of Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), algorithm 6:
 * without bias over the whole range, and without tables. Two numbers of the same hash are one here, which the last line
 * makes up for.
 */
function estimate(registers: Uint8Array, precision: number): number {
  const restBits = HASH_BITS - precision;
  const size = registers.length;
  const ranks = new Array<number>(restBits + 2).fill(0);
  for (const rank of registers) ranks[rank] = (ranks[rank] ?? 0) + 1;
  let z = size * tau(1 - (ranks[restBits + 1] ?? 0) / size);
  for (let rank = restBits; rank >= 1; rank--) z = (z + (ranks[rank] ?? 0)) / 2;
  z += size * sigma((ranks[0] ?? 0) / size);
  const hashes = size ** 2 / (2 * Math.LN2 * z);
  return hashes < HASHES ? -HASHES * Math.log1p(-hashes / HASHES) : hashes;
}

function sigma(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY;
  let x = share;
  let y = 1;
  let z = x;
  for (let before = Number.NaN; z !== before; ) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let x = share;
  let y = 1;
  let z = 1 - x;
  for (let before = Number.NaN; z !== before; ) {
    x = Math.sqrt(x);
    before = z;
    y /= 2;
    z -= (1 - x) ** 2 * y;
  }
  return z / 3;
}

/** 32 bits of any double: both words through the finalizer of MurmurHash3. -0 is 0. */
function mix(value: number): number {
  DOUBLE[0] = value + 0;
  return finish(finish(WORDS[0] as number) ^ (WORDS[1] as number));
}

function finish(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
