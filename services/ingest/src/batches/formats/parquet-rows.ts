import type { FileHandle } from 'node:fs/promises';
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { type CellReader, columnReaders, PARSERS } from './parquet-columns.ts';
import { FileFault, type Row, type RowSource } from './rows.ts';

/**
 * A row group is read as a whole, so its size bounds the memory: a cell takes some 40 bytes on its way. Writers make
 * groups of up to 2^20 rows by default.
 */
export const PARQUET_GROUP_CELLS_MAX = 16 * 1024 * 1024;
/** Of one row group, decompressed. */
export const PARQUET_GROUP_BYTES_MAX = 256 * 1024 * 1024;
/** The description at the end of a file. */
const METADATA_BYTES_MAX = 16 * 1024 * 1024;
const ROWS_PER_CHUNK = 1_000;
const TAIL_BYTES = 8;
const MAGIC = 'PAR1';

/**
 * Reads a Parquet file (none, snappy, gzip, zstd, brotli and LZ4), one row group at a time. A nested column is one cell
 * with an object or an array. The lines of its rows are their numbers, from 1.
 *
 * @throws {FileFault} here for the description of the file, while reading for its rows.
 */
export async function openParquet(handle: FileHandle, bytes: number): Promise<RowSource> {
  const file = bufferOf(handle, bytes);
  await checkTail(handle, bytes);
  const read = await parsed(() => parquetMetadataAsync(file, { initialFetchSize: 64 * 1024 }));
  const { metadata, readers } = columnReaders(read);
  checkGroups(metadata, readers.size);
  const columns = [...readers.keys()];
  return { columns, rows: readRows(file, metadata, [...readers.values()], columns) };
}

async function* readRows(
  file: AsyncBuffer,
  metadata: FileMetaData,
  readers: readonly CellReader[],
  columns: readonly string[],
): AsyncGenerator<readonly Row[], void, void> {
  let rowStart = 0;
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    const cellsByColumn = await readGroup(file, metadata, rowStart, rows, columns);
    for (let from = 0; from < rows; from += ROWS_PER_CHUNK) {
      const length = Math.min(ROWS_PER_CHUNK, rows - from);
      yield Array.from({ length }, (_, index): Row => {
        const value = cellsByColumn.map((cells, column) => readers[column]?.(cells[from + index]));
        return { line: rowStart + from + index + 1, value };
      });
    }
    rowStart += rows;
  }
}

/** The cells of a row group, column by column. */
async function readGroup(
  file: AsyncBuffer,
  metadata: FileMetaData,
  rowStart: number,
  rows: number,
  columns: readonly string[],
): Promise<ArrayLike<unknown>[]> {
  const parts = new Map<string, { readonly rowStart: number; readonly cells: ArrayLike<unknown> }[]>();
  await parsed(() =>
    parquetRead({
      ...{ file, metadata, compressors, rowStart, rowEnd: rowStart + rows, utf8: false },
      parsers: PARSERS,
      onChunk: ({ columnName, columnData, rowStart: at }) => {
        const others = parts.get(columnName) ?? [];
        parts.set(columnName, others);
        others.push({ rowStart: at, cells: columnData });
      },
    }),
  );
  return columns.map((name) => joined(name, parts.get(name) ?? [], rowStart, rows));
}

function joined(
  name: string,
  parts: readonly { readonly rowStart: number; readonly cells: ArrayLike<unknown> }[],
  rowStart: number,
  rows: number,
): ArrayLike<unknown> {
  const [only] = parts;
  if (only !== undefined && parts.length === 1 && only.rowStart === rowStart && only.cells.length === rows) {
    return only.cells;
  }
  const all = new Array<unknown>(rows);
  let filled = 0;
  for (const { rowStart: start, cells } of parts) {
    for (let index = 0; index < cells.length; index += 1) {
      const at = start - rowStart + index;
      if (at < 0 || at >= rows) continue;
      all[at] = cells[index];
      filled += 1;
    }
  }
  if (filled !== rows) {
    throw new FileFault('malformed-file', `Column ${name} has ${filled} of ${rows} rows of a group. Write it anew.`);
  }
  return all;
}

function checkGroups({ row_groups: groups }: FileMetaData, columns: number): void {
  if (columns === 0) throw new FileFault('malformed-file', 'The Parquet file has no columns.');
  let line = 1;
  for (const { num_rows: rows, total_byte_size: bytes } of groups) {
    const cells = Number(rows) * columns;
    if (cells > PARQUET_GROUP_CELLS_MAX || Number(bytes) > PARQUET_GROUP_BYTES_MAX) {
      const limits = `${PARQUET_GROUP_CELLS_MAX} cells and ${PARQUET_GROUP_BYTES_MAX} bytes`;
      const message = `A row group has ${cells} cells in ${bytes} bytes, at most ${limits} are read. Write the file with smaller row groups.`;
      throw new FileFault('file-too-large', message, { line });
    }
    line += Number(rows);
  }
}

async function checkTail(handle: FileHandle, bytes: number): Promise<void> {
  const tail = Buffer.alloc(TAIL_BYTES);
  if (bytes > TAIL_BYTES) await handle.read(tail, 0, TAIL_BYTES, bytes - TAIL_BYTES);
  if (tail.toString('latin1', 4) !== MAGIC) {
    throw new FileFault('malformed-file', 'The file is no Parquet, or not the whole of one. Send it again.');
  }
  const length = tail.readUInt32LE(0);
  if (length > METADATA_BYTES_MAX || length > bytes - TAIL_BYTES) {
    const message = `The description of the Parquet file has ${length} bytes, at most ${METADATA_BYTES_MAX} are read.`;
    throw new FileFault('file-too-large', message);
  }
}

function bufferOf(handle: FileHandle, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      const length = Math.max(0, Math.min(end, byteLength) - start);
      const buffer = new ArrayBuffer(length);
      for (let at = 0; at < length; ) {
        const { bytesRead } = await handle.read(new Uint8Array(buffer, at), 0, length - at, start + at);
        if (bytesRead === 0) throw new FileFault('malformed-file', 'The Parquet file ends too early. Send it again.');
        at += bytesRead;
      }
      return buffer;
    },
  };
}

/** hyparquet throws plain errors at bytes that it cannot make sense of; their texts are about its inside. */
async function parsed<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (cause instanceof FileFault) throw cause;
    throw new FileFault('malformed-file', 'The Parquet file is damaged, or uses what is not read. Write it anew.', {
      cause,
    });
  }
}
