import type { InRecord, ReadBatch } from '@millrace/kafka';
import type { OffsetRange } from '@millrace/warehouse';
import type { Route } from './routes.ts';
import type { Refusal } from './rows.ts';

/** A block is closed at the first of these; one record may go over (a reading has up to 64 rows). */
export const BLOCK_ROWS_MAX = 20_000;
export const BLOCK_BYTES_MAX = 16 * 1024 * 1024;

export interface RefusedRecord extends Refusal {
  readonly record: InRecord;
}

/** Records of one topic on their way into one insert. Its identity is its ranges, not what is in them. */
export interface Block {
  /** In the order of partitions; each from where the last block ended, so that no offset is between two blocks. */
  readonly ranges: readonly OffsetRange[];
  readonly records: readonly InRecord[];
  /** JSONEachRow. */
  readonly body: Buffer;
  readonly rowCount: number;
  /** Records in the ranges that made no row. */
  readonly refused: readonly RefusedRecord[];
}

/** Names a block by what it covers: a repeat has the same token, whoever makes it. */
export function blockToken(topic: string, ranges: readonly OffsetRange[]): string {
  return `${topic} ${ranges.map(({ partition, start, end }) => `${partition}:${start}-${end}`).join(',')}`;
}

/** Gathers what was read into blocks, and remembers how far each partition has come. */
export class BlockBuilder {
  readonly #route: Route;
  readonly #starts: Map<number, number>;
  #queue: { batch: ReadBatch; taken: number }[] = [];
  #ends = new Map<number, number>();
  #records: InRecord[] = [];
  #refused: RefusedRecord[] = [];
  #body = new Body();
  #rowCount = 0;

  /** `starts`: the next offset of each partition. */
  constructor(route: Route, starts: ReadonlyMap<number, number>) {
    this.#route = route;
    this.#starts = new Map(starts);
  }

  get isEmpty(): boolean {
    return this.#records.length === 0;
  }

  get isFull(): boolean {
    return this.#rowCount >= BLOCK_ROWS_MAX || this.#body.length >= BLOCK_BYTES_MAX;
  }

  /** Takes what a poll has read; returns false when a part had to be left for the next block. */
  add(batches: readonly ReadBatch[]): boolean {
    for (const batch of batches) this.#queue.push({ batch, taken: 0 });
    return this.#fill();
  }

  /** Closes the block and starts the next one with what was left over. */
  take(): Block {
    const ranges = [...this.#ends]
      .map(([partition, end]) => ({ partition, start: this.#starts.get(partition) ?? 0, end }))
      .sort((a, b) => a.partition - b.partition);
    const block: Block = {
      ranges,
      records: this.#records,
      body: this.#body.bytes(),
      rowCount: this.#rowCount,
      refused: this.#refused,
    };
    for (const { partition, end } of ranges) this.#starts.set(partition, end);
    this.#ends = new Map();
    this.#records = [];
    this.#refused = [];
    this.#body = new Body();
    this.#rowCount = 0;
    this.#fill();
    return block;
  }

  #fill(): boolean {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const { batch } = next;
      while (next.taken < batch.records.length) {
        if (this.isFull) return false;
        const record = batch.records[next.taken] as InRecord;
        next.taken += 1;
        this.#add(record);
      }
      // Past control records too, but only together with a record: offsets alone are not worth a commit.
      if (this.#ends.has(batch.partition)) this.#ends.set(batch.partition, batch.nextOffset);
      this.#queue.shift();
    }
    return true;
  }

  #add(record: InRecord): void {
    this.#records.push(record);
    this.#ends.set(record.partition, record.offset + 1);
    const rows = this.#route.rows(record, false);
    if ('reason' in rows) {
      this.#refused.push({ record, ...rows });
      return;
    }
    for (const line of rows.lines) this.#body.append(line);
    this.#rowCount += rows.count;
  }
}

/** A block of exactly these records, whatever its size: one that was made before, or has to be made with more care. */
export function blockOf(
  route: Route,
  records: readonly InRecord[],
  ranges: readonly OffsetRange[],
  careful: boolean,
): Block {
  const body = new Body();
  const refused: RefusedRecord[] = [];
  let rowCount = 0;
  for (const record of records) {
    const rows = route.rows(record, careful);
    if ('reason' in rows) {
      refused.push({ record, ...rows });
      continue;
    }
    for (const line of rows.lines) body.append(line);
    rowCount += rows.count;
  }
  return { ranges, records, body: body.bytes(), rowCount, refused };
}

const BODY_BYTES_FIRST = 64 * 1024;
const UTF8_BYTES_PER_UNIT_MAX = 3;

/** A buffer that doubles: one allocation for thousands of lines, and one chunk for the socket. */
class Body {
  #buffer = Buffer.allocUnsafe(BODY_BYTES_FIRST);
  length = 0;

  append(line: Buffer | string): void {
    this.#reserve(typeof line === 'string' ? line.length * UTF8_BYTES_PER_UNIT_MAX : line.length);
    if (typeof line === 'string') this.length += this.#buffer.write(line, this.length);
    else this.length += line.copy(this.#buffer, this.length);
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }

  #reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.length);
    this.#buffer = larger;
  }
}
