import type { FileMetaData, ParquetParsers, SchemaElement } from 'hyparquet';

/** Turns a cell as it is stored into what a mapping works with; undefined stays undefined. */
export type CellReader = (stored: unknown) => unknown;

/**
 * How each column of a Parquet file is read, and the metadata to read it with.
 *
 * hyparquet multiplies decimals by a power of ten, as floating point numbers, which money must never be. So the mark
 * `DECIMAL` is taken out of the metadata, the integers come as they are stored, and become decimal text here. A timestamp
 * that is not in UTC becomes text without a zone, so that a mapping can say which zone it is.
 */
export function columnReaders(metadata: FileMetaData): {
  readonly metadata: FileMetaData;
  readonly readers: ReadonlyMap<string, CellReader>;
} {
  const readers = new Map<string, CellReader>();
  const [root, ...elements] = metadata.schema;
  const top = topLevel(metadata.schema);
  const schema = elements.map((element) => {
    if (!top.has(element)) return isDecimal(element) ? withoutMark(element) : element;
    readers.set(element.name, readerOf(element));
    return isDecimal(element) ? withoutMark(element) : element;
  });
  return { metadata: { ...metadata, schema: root === undefined ? schema : [root, ...schema] }, readers };
}

/** What hyparquet makes of times: epoch milliseconds, cut off below, and a day as `2026-03-01`. */
export const PARSERS: Partial<ParquetParsers> = {
  timestampFromMilliseconds: (millis: bigint) => Number(millis),
  timestampFromMicroseconds: (micros: bigint) => floorDivided(micros, 1_000n),
  timestampFromNanoseconds: (nanos: bigint) => floorDivided(nanos, 1_000_000n),
  dateFromDays: (days: number) => new Date(days * 86_400_000).toISOString().slice(0, 10),
} as unknown as Partial<ParquetParsers>;

/** The columns of the table, without what is inside of nested ones. */
function topLevel(schema: readonly SchemaElement[]): ReadonlySet<SchemaElement> {
  const found = new Set<SchemaElement>();
  const skip = (index: number): number => {
    let next = index + 1;
    for (let child = 0; child < (schema[index]?.num_children ?? 0); child += 1) next = skip(next);
    return next;
  };
  for (let index = 1; index < schema.length; index = skip(index)) {
    const element = schema[index];
    if (element !== undefined) found.add(element);
  }
  return found;
}

function readerOf(element: SchemaElement): CellReader {
  if (isDecimal(element)) {
    const scale = scaleOf(element);
    return (stored) => (stored === undefined || stored === null ? undefined : decimalText(unscaled(stored), scale));
  }
  const { logical_type: logical } = element;
  if (logical?.type === 'TIMESTAMP' && logical.isAdjustedToUTC === false) {
    return (stored) => (typeof stored === 'number' ? new Date(stored).toISOString().slice(0, -1) : undefined);
  }
  return plain;
}

/** Bytes that nobody called text are text for us: old writers leave the mark out. */
function plain(stored: unknown): unknown {
  if (stored === null) return undefined;
  if (stored instanceof Uint8Array) return Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength).toString();
  if (typeof stored === 'bigint') return Number.isSafeInteger(Number(stored)) ? Number(stored) : String(stored);
  return stored;
}

function isDecimal({ converted_type: converted, logical_type: logical }: SchemaElement): boolean {
  return converted === 'DECIMAL' || logical?.type === 'DECIMAL';
}

function scaleOf({ scale, logical_type: logical }: SchemaElement): number {
  return scale ?? (logical?.type === 'DECIMAL' ? logical.scale : 0);
}

function withoutMark(element: SchemaElement): SchemaElement {
  const { converted_type: _converted, logical_type: _logical, ...stored } = element;
  return stored;
}

/** The integer of a decimal: stored as one, or as big-endian bytes in two's complement. */
function unscaled(stored: unknown): bigint {
  if (stored instanceof Uint8Array) {
    if (stored.length === 0) return 0n;
    const hex = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength).toString('hex');
    return BigInt.asIntN(stored.length * 8, BigInt(`0x${hex}`));
  }
  return BigInt(stored as number | bigint);
}

/** `decimalText(1250n, 2)` is `12.5`: digits behind the point that say nothing are left out. */
export function decimalText(value: bigint, scale: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, '0');
  const point = digits.length - scale;
  const fraction = digits.slice(point).replace(/0+$/, '');
  return `${value < 0n ? '-' : ''}${digits.slice(0, point)}${fraction === '' ? '' : `.${fraction}`}`;
}

function floorDivided(value: bigint, by: bigint): number {
  const quotient = value / by;
  return Number(value % by < 0n ? quotient - 1n : quotient);
}
