import { finished, type Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { Problem } from '@millrace/contracts';
import { type CsvError, type Parser, parse } from 'csv-parse';
import { FileFault, type Row, type RowSource } from './rows.ts';

export interface CsvFormat {
  /** Default: the most frequent of , ; tab and | in the first line. */
  readonly delimiter?: string;
  readonly quote?: string;
  /** Names of the columns of a file whose first line is a row already. */
  readonly columns?: readonly string[];
  readonly encoding?: 'utf8' | 'latin1';
}

export const CSV_RECORD_BYTES_MAX = 256 * 1024;
export const CSV_COLUMNS_MAX = 512;
/** The first line must be there within as many bytes: the delimiter is told by it. */
const HEADER_BYTES_MAX = 64 * 1024;
const DELIMITERS = [',', ';', '\t', '|'] as const;
const LINE_FEED = 0x0a;

/**
 * RFC 4180: quotes, line feeds and delimiters within quotes, CRLF or LF, with or without a byte order mark. A row with
 * another number of cells than the header is a problem of that row; a quote that is out of place or never closed ends
 * the file, because nobody can say where the next row begins.
 *
 * csv-parse counts a CRLF within quotes as two lines, so lines are counted here, in the bytes that it says it has read.
 *
 * @throws {FileFault} here for the header, while reading for a row.
 */
export async function openCsv(bytes: Readable, format: CsvFormat = {}): Promise<RowSource> {
  const input = bytes[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const head = await readHead(input);
  if (head.length === 0) throw new FileFault('malformed-file', 'The file is empty. Send CSV with a header.');
  if (isUtf16(head)) throw new FileFault('unsupported-file', 'The file is UTF-16. Save it as CSV in UTF-8.');
  const chunks = readChunks(head, input, format);

  let first: Row[] = [];
  while (first.length === 0) {
    const { value, done } = await chunks.next();
    if (done === true) throw new FileFault('malformed-file', 'The file has no header. Send CSV with a header.');
    first = value;
  }
  let columns = format.columns;
  if (columns === undefined) {
    const [header, ...rest] = first;
    columns = ((header?.value ?? []) as string[]).map((name) => name.trim());
    first = rest;
    checkHeader(columns);
  }
  return { columns, rows: checkedRows(columns.length, first, chunks) };
}

async function* checkedRows(
  columns: number,
  first: Row[],
  chunks: AsyncIterable<Row[]>,
): AsyncGenerator<readonly Row[], void, void> {
  const checked = (rows: Row[]) => rows.map((row) => checkRow(row, columns));
  if (first.length > 0) yield checked(first);
  for await (const rows of chunks) if (rows.length > 0) yield checked(rows);
}

function checkRow(row: Row, columns: number): Row {
  const cells = row.value as string[];
  if (cells.length !== columns) {
    const message = `The row has ${cells.length} cells and the header ${columns}. Quote cells that hold the delimiter.`;
    return { line: row.line, value: undefined, problem: { field: '', code: 'malformed', message } };
  }
  return cells.some((cell) => cell.includes('\uFFFD')) ? { line: row.line, value: undefined, problem: NOT_UTF8 } : row;
}

async function* readChunks(
  head: Buffer,
  input: AsyncIterator<Buffer>,
  format: CsvFormat,
): AsyncGenerator<Row[], void, void> {
  let rows: Row[] = [];
  let line = 1;
  /** Of the file; `pending` begins at the first byte that has not been looked at for line feeds. */
  let countedBytes = 0;
  let pending: Buffer = head;

  function linesUpTo(endBytes: number): number {
    const end = endBytes - countedBytes;
    let count = 0;
    for (let at = pending.indexOf(LINE_FEED); at !== -1 && at < end; at = pending.indexOf(LINE_FEED, at + 1))
      count += 1;
    pending = pending.subarray(end);
    countedBytes = endBytes;
    return count;
  }

  const parser: Parser = parse({
    bom: true,
    relaxColumnCount: true,
    recordDelimiter: ['\r\n', '\n'],
    delimiter: format.delimiter ?? delimiterOf(head),
    quote: format.quote ?? '"',
    encoding: format.encoding ?? 'utf8',
    maxRecordSize: CSV_RECORD_BYTES_MAX,
    // Called while the bytes are written, so that no row goes through the queue of a stream.
    onRecord(record: string[], { bytes }) {
      const begins = line;
      line += linesUpTo(bytes);
      const isBlank = record.length === 1 && record[0] === '';
      if (!isBlank) rows.push({ line: begins, value: record });
      return null;
    },
  });
  let failure: CsvError | undefined;
  parser.on('error', (error) => {
    failure = error as CsvError;
  });
  parser.resume();

  const taken = () => {
    const chunk = rows;
    rows = [];
    return chunk;
  };
  const check = () => {
    if (failure !== undefined) throw malformed(failure, line);
  };
  for (let chunk: Buffer | undefined = head; chunk !== undefined; ) {
    if (chunk !== head) pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    parser.write(chunk);
    // The rows are there already, a fault is told one turn later; and other requests get theirs.
    await setImmediate();
    if (rows.length > 0) yield taken();
    check();
    const next: IteratorResult<Buffer> = await input.next();
    chunk = next.done === true ? undefined : next.value;
  }
  await new Promise<void>((resolve) => finished(parser.end(), () => resolve()));
  if (rows.length > 0) yield taken();
  check();
}

/** Enough bytes to hold the first line, or the whole of a shorter file. */
async function readHead(input: AsyncIterator<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    const { value, done } = await input.next();
    if (done === true) return Buffer.concat(parts);
    parts.push(value);
    bytes += value.length;
    if (value.includes(LINE_FEED)) return Buffer.concat(parts);
    if (bytes > HEADER_BYTES_MAX) {
      throw new FileFault(
        'malformed-file',
        `The first line is over ${HEADER_BYTES_MAX} bytes. Send CSV with a header.`,
      );
    }
  }
}

function delimiterOf(head: Buffer): string {
  const end = head.indexOf(LINE_FEED);
  const line = head.toString('utf8', 0, end === -1 ? head.length : end);
  const countOf = (delimiter: string) => line.split(delimiter).length;
  return DELIMITERS.reduce((best, delimiter) => (countOf(delimiter) > countOf(best) ? delimiter : best));
}

function checkHeader(columns: readonly string[]): void {
  const twice = columns.find((name, index) => columns.indexOf(name) !== index);
  const problem =
    columns.length > CSV_COLUMNS_MAX
      ? `The header has ${columns.length} columns, at most ${CSV_COLUMNS_MAX} are read.`
      : twice === ''
        ? 'Several columns of the header have no name. Name them, or give their names in the mapping (format.columns).'
        : twice !== undefined
          ? `The header names a column twice (column ${columns.lastIndexOf(twice) + 1}). Give each its own name.`
          : undefined;
  if (problem !== undefined) throw new FileFault('malformed-file', problem, { line: 1 });
}

/** Without the parser's own message, which quotes the cell: it may hold a card number. */
function malformed(error: CsvError, line: number): FileFault {
  const message = MESSAGES[error.code] ?? 'The row is no CSV. Correct it, and send the file again.';
  return new FileFault('malformed-file', message, { line });
}

const MESSAGES: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'A quote is opened in the row that begins here, and never closed. Close it, or double it.',
  CSV_INVALID_CLOSING_QUOTE: 'A quote within a quoted cell is not doubled. Double it, or set another format.quote.',
  INVALID_OPENING_QUOTE: 'A quote stands in the middle of a cell. Quote the whole cell, or set another format.quote.',
  CSV_MAX_RECORD_SIZE: `The row is over ${CSV_RECORD_BYTES_MAX} bytes; is a quote not closed? Correct it.`,
};

const NOT_UTF8: Problem = {
  field: '',
  code: 'malformed',
  message: 'The row is not valid UTF-8. Save the file as UTF-8, or set format.encoding to latin1 in the mapping.',
};

function isUtf16(head: Buffer): boolean {
  return (head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff);
}
