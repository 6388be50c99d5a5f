import type { Problem } from '@millrace/contracts';

/** One record of a file. */
export interface Row {
  /** The line on which it begins, from 1; in a Parquet file the number of the row. */
  readonly line: number;
  /** A cell for each column of a table; of a file without columns (NDJSON) the object itself. */
  readonly value: unknown;
  /** Set instead of a value when the record cannot be read by itself, and the file goes on behind it. */
  readonly problem?: Problem;
}

/** A file whose beginning has been read. */
export interface RowSource {
  /** The names of the cells; undefined where each record has names of its own (NDJSON). */
  readonly columns: readonly string[] | undefined;
  /**
   * The rows in the order of the file, some hundreds or thousands at a time, read as they are asked for.
   * @throws {FileFault} while reading, when the rest cannot be read.
   */
  readonly rows: AsyncIterable<readonly Row[]>;
}

export type FileFaultCode = 'malformed-file' | 'file-too-large' | 'unsupported-file';

/** A file that cannot be read, or not beyond a line. Sending the same bytes again does not help. */
export class FileFault extends Error {
  override readonly name = 'FileFault';
  readonly code: FileFaultCode;
  /** Where; undefined: the file as a whole. */
  readonly line: number | undefined;

  constructor(
    code: FileFaultCode,
    message: string,
    options: { readonly line?: number; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.line = options.line;
  }
}
