import { ClickHouseException } from './exception.ts';
import { elementType, parseType } from './native-type.ts';

/**
 * From this protocol revision on, every column of a Native block says after its type whether its serialization is a
 * custom one (DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION).
 */
const CUSTOM_SERIALIZATION_REVISION = 54_454;

/** Fields 1 (is_overflows = false) and 2 (bucket_num = -1) of a BlockInfo, then the end of its fields. */
const BLOCK_INFO = Buffer.from([1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0]);
const NO_CUSTOM_SERIALIZATION = Buffer.from([0]);

/**
 * Native blocks as a client expects them that has sent `client_protocol_version`, clickhouse-go (so Grafana) for one.
 * The engine here always writes revision 0, which lacks the block info and one byte per column; they are put in.
 *
 * @param data whole blocks of revision 0
 * @throws ClickHouseException `NOT_IMPLEMENTED` for a type whose data cannot be stepped over: AggregateFunction, Dynamic,
 *   JSON, Variant
 */
export function raiseNativeRevision(data: Buffer, revision: number): Buffer {
  if (revision <= 0) return data;
  const pieces: Buffer[] = [];
  const reader = new NativeReader(data);
  while (!reader.isAtEnd) {
    pieces.push(BLOCK_INFO);
    const start = reader.position;
    const columns = reader.varint();
    const rows = reader.varint();
    pieces.push(data.subarray(start, reader.position));
    for (let column = 0; column < columns; column += 1) {
      const header = reader.position;
      reader.text();
      const type = reader.text();
      pieces.push(data.subarray(header, reader.position));
      if (revision >= CUSTOM_SERIALIZATION_REVISION) pieces.push(NO_CUSTOM_SERIALIZATION);
      const values = reader.position;
      if (rows > 0) {
        reader.skipPrefix(type);
        reader.skipValues(type, rows);
      }
      pieces.push(data.subarray(values, reader.position));
    }
  }
  return Buffer.concat(pieces);
}

/** Bytes of one value of the types with a fixed width. */
const WIDTH: ReadonlyMap<string, number> = new Map([
  ...(['Int8', 'UInt8', 'Bool', 'Enum8', 'Nothing'] as const).map((name) => [name, 1] as const),
  ...(['Int16', 'UInt16', 'Enum16', 'Date', 'BFloat16'] as const).map((name) => [name, 2] as const),
  ...(['Int32', 'UInt32', 'Float32', 'Date32', 'DateTime', 'IPv4', 'Time', 'Decimal32'] as const).map(
    (name) => [name, 4] as const,
  ),
  ...(['Int64', 'UInt64', 'Float64', 'DateTime64', 'Time64', 'Decimal64'] as const).map((name) => [name, 8] as const),
  ...(['Int128', 'UInt128', 'UUID', 'IPv6', 'Decimal128'] as const).map((name) => [name, 16] as const),
  ...(['Int256', 'UInt256', 'Decimal256'] as const).map((name) => [name, 32] as const),
]);

/** Types that are written as another type. */
const ALIAS: Readonly<Record<string, string>> = {
  Point: 'Tuple(Float64, Float64)',
  Ring: 'Array(Point)',
  LineString: 'Array(Point)',
  MultiLineString: 'Array(LineString)',
  Polygon: 'Array(Ring)',
  MultiPolygon: 'Array(Polygon)',
};

/** A dictionary of a LowCardinality column that follows in the data itself, and the width of the indexes into it. */
const HAS_ADDITIONAL_KEYS = 0x200;
const INDEX_WIDTHS = [1, 2, 4, 8];

class NativeReader {
  readonly #data: Buffer;
  position = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get isAtEnd(): boolean {
    return this.position >= this.#data.length;
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#data.readUInt8(this.position);
      this.position += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  text(): string {
    const length = this.varint();
    this.position += length;
    return this.#data.toString('utf8', this.position - length, this.position);
  }

  #uint64(): number {
    this.position += 8;
    return Number(this.#data.readBigUInt64LE(this.position - 8));
  }

  /** Steps over what a type writes once before its values: the version of each LowCardinality in it. */
  skipPrefix(text: string): void {
    const { name, args } = parseType(ALIAS[text] ?? text);
    if (name === 'LowCardinality') this.position += 8;
    else if (name === 'SimpleAggregateFunction') this.skipPrefix(args[1] ?? '');
    else if (name === 'Array' || name === 'Nullable' || name === 'Map') for (const arg of args) this.skipPrefix(arg);
    else if (name === 'Tuple' || name === 'Nested') for (const arg of args) this.skipPrefix(elementType(arg));
  }

  skipValues(text: string, rows: number): void {
    if (rows === 0) return;
    const { name, args } = parseType(ALIAS[text] ?? text);
    const [first = '', second = ''] = args;
    const width = name.startsWith('Interval') ? 8 : WIDTH.get(name);
    if (width !== undefined) this.position += width * rows;
    else if (name === 'String') this.#skipStrings(rows);
    else if (name === 'FixedString') this.position += Number(first) * rows;
    else if (name === 'Decimal') this.position += decimalWidth(Number(first)) * rows;
    else if (name === 'Nullable') {
      this.position += rows;
      this.skipValues(first, rows);
    } else if (name === 'Array') this.#skipArray(rows, (total) => this.skipValues(first, total));
    else if (name === 'Map') {
      this.#skipArray(rows, (total) => {
        this.skipValues(first, total);
        this.skipValues(second, total);
      });
    } else if (name === 'Nested') {
      this.#skipArray(rows, (total) => {
        for (const arg of args) this.skipValues(elementType(arg), total);
      });
    } else if (name === 'Tuple') for (const arg of args) this.skipValues(elementType(arg), rows);
    else if (name === 'SimpleAggregateFunction') this.skipValues(second, rows);
    else if (name === 'LowCardinality') this.#skipLowCardinality(first, rows);
    else {
      throw new ClickHouseException(
        'NOT_IMPLEMENTED',
        `This server cannot send a column of type ${text} in the Native format of client_protocol_version. Cast it to String, or use another format`,
      );
    }
  }

  #skipStrings(rows: number): void {
    for (let row = 0; row < rows; row += 1) {
      const length = this.varint();
      this.position += length;
    }
  }

  /** An array writes the end of each row's elements, then all elements as one column. */
  #skipArray(rows: number, skipElements: (total: number) => void): void {
    this.position += 8 * (rows - 1);
    skipElements(this.#uint64());
  }

  #skipLowCardinality(dictionaryType: string, rows: number): void {
    for (let done = 0; done < rows; ) {
      const flags = this.#uint64();
      if ((flags & HAS_ADDITIONAL_KEYS) !== 0) {
        const keys = this.#uint64();
        const { name, args } = parseType(dictionaryType);
        // The dictionary of a Nullable keeps null as its first key, without a map of nulls.
        this.skipValues(name === 'Nullable' ? (args[0] ?? '') : dictionaryType, keys);
      }
      const indexes = this.#uint64();
      this.position += indexes * (INDEX_WIDTHS[flags & 0xff] ?? 8);
      done += indexes;
    }
  }
}

function decimalWidth(precision: number): number {
  if (precision <= 9) return 4;
  if (precision <= 18) return 8;
  return precision <= 38 ? 16 : 32;
}
