import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { CsvError, parse } from 'csv-parse';
import { SimulatorError } from '../errors.ts';

export interface CsvFile {
  /** Names in the first line. */
  readonly columns: readonly string[];
  /** The rows behind it, each with a cell for every column that it has; read as they are asked for. */
  readonly rows: AsyncIterable<readonly string[]>;
  /** How much of the file has been read, 0 to 1. */
  readShare(): number;
}

/**
 * Opens a CSV file, compressed by gzip if its name ends in `.gz`. However long it is, some hundred rows are in memory.
 *
 * @throws {SimulatorError} `usage` when there is no such file, or it has no header; while reading when a row is no CSV.
 */
export async function openCsv(path: string): Promise<CsvFile> {
  const { size } = await statFile(path);
  const file = createReadStream(path);
  const parser = parse({ bom: true, relaxColumnCount: true, skipEmptyLines: true });
  const compressed = path.endsWith('.gz');
  const reading = compressed ? pipeline(file, createGunzip(), parser) : pipeline(file, parser);
  // An error reaches whoever reads the parser; here it would only be reported a second time.
  reading.catch((error: unknown) => parser.destroy(error instanceof Error ? error : new Error(String(error))));

  const iterator = readRows(path, parser);
  const header = await iterator.next();
  if (header.done === true) throw new SimulatorError('usage', `${path} is empty; a CSV file with a header is needed.`);
  return {
    columns: header.value.map((name) => name.trim()),
    rows: iterator,
    readShare: () => (size === 0 ? 1 : file.bytesRead / size),
  };
}

async function* readRows(path: string, parser: AsyncIterable<string[]>): AsyncGenerator<readonly string[], void, void> {
  try {
    for await (const row of parser) yield row;
  } catch (cause) {
    if (cause instanceof CsvError) throw new SimulatorError('usage', `${path} is no CSV: ${cause.message}`, { cause });
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    if (code.startsWith('Z_')) throw new SimulatorError('usage', `${path} is not a complete gzip file.`, { cause });
    throw cause;
  }
}

async function statFile(path: string) {
  try {
    const stats = await stat(path);
    if (stats.isFile()) return stats;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? 'There is no such file' : 'The file cannot be read';
    throw new SimulatorError('usage', `${problem}: ${path}`, { cause });
  }
  throw new SimulatorError('usage', `${path} is not a file.`);
}
