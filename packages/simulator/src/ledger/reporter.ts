import { open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SimulatorError } from '../errors.ts';
import type { HttpClient } from '../send/http-client.ts';
import { LEDGER_KINDS, type LedgerLine, segmentName } from './ledger.ts';

export interface ReporterOptions {
  /** The run's ledger. */
  readonly dir: string;
  /** Name of the run at the API. */
  readonly sender: string;
  readonly client: HttpClient;
}

/** Where reporting goes on after a restart. */
interface Cursor {
  readonly segment: number;
  readonly offset: number;
}

const POLL_MS = 250;
const READ_BYTES = 1024 * 1024;
const CURSOR_FILE = 'cursor.json';
/** Reported segments that are kept for people to look at; older ones are removed. */
const REPORTED_SEGMENTS_KEPT = 4;

/**
 * Tells the API what was acknowledged, from the ledger's file: what has not been told yet is on disk, not in memory,
 * however long the API is away, and a run that was killed is reported by the next one.
 *
 * Delivery: each line of acknowledgements is one post under the line's own sequence number. It is repeated until it is
 * taken, and again if the cursor behind it was not saved; the sequence number makes a repetition harmless.
 */
export class LedgerReporter {
  readonly #options: ReporterOptions;
  #cursor: Cursor = { segment: 1, offset: 0 };
  #reportedBytes = 0;
  #reportedIds = 0;
  #stopping = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** Bytes of the ledger that need no more reporting, since the start. */
  get reportedBytes(): number {
    return this.#reportedBytes;
  }
  get reportedIds(): number {
    return this.#reportedIds;
  }

  /**
   * Follows a ledger that is being written, until `close`. `onFailure` is called when the API refuses a report, or the
   * ledger cannot be read.
   */
  start(onFailure: (error: unknown) => void): void {
    this.#running = this.#follow().catch((error: unknown) => {
      const stopped = error instanceof SimulatorError && error.code === 'aborted';
      if (!stopped) onFailure(error);
    });
  }

  /** Stops behind the report that is under way; abort the client's signal to stop before it. */
  async close(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  /** Reports a ledger that nobody writes any more to its end. */
  async reportAll(): Promise<void> {
    this.#cursor = await this.#loadCursor();
    while (await this.#reportSome());
  }

  async #follow(): Promise<void> {
    this.#cursor = await this.#loadCursor();
    while (!this.#stopping) {
      if (!(await this.#reportSome())) await sleep(POLL_MS);
    }
  }

  /** Reads on from the cursor. Returns false when there was no whole line. */
  async #reportSome(): Promise<boolean> {
    const bytes = await this.#read(this.#cursor);
    const end = bytes.lastIndexOf(LINE_FEED) + 1;
    if (end === 0) return this.#nextSegment();
    let start = 0;
    while (start < end) {
      const lineEnd = bytes.indexOf(LINE_FEED, start) + 1;
      await this.#report(JSON.parse(bytes.toString('utf8', start, lineEnd)) as LedgerLine);
      this.#cursor = { ...this.#cursor, offset: this.#cursor.offset + lineEnd - start };
      this.#reportedBytes += lineEnd - start;
      start = lineEnd;
      if (this.#stopping) break;
    }
    await this.#saveCursor();
    return true;
  }

  async #report(line: LedgerLine): Promise<void> {
    if (line.kind !== 'acknowledged') return;
    const { client, sender } = this.#options;
    const entries = LEDGER_KINDS.flatMap((kind) =>
      (line.ids[kind] ?? []).map((id) => `${JSON.stringify({ kind, id, acknowledged_at: line.at })}\n`),
    );
    const { status, body } = await client.post({
      path: `/v1/ledgers/${sender}`,
      body: entries.join(''),
      contentType: 'application/x-ndjson',
      headers: { 'x-ledger-sequence': String(line.sequence) },
    });
    if (status >= 300) {
      throw new SimulatorError(
        'refused',
        `The API answered ${status} to a report of the ledger: ${JSON.stringify(body)}`,
      );
    }
    this.#reportedIds += entries.length;
  }

  /** Up to `READ_BYTES`, and as many more as a long line needs. */
  async #read({ segment, offset }: Cursor): Promise<Buffer> {
    const file = await openIfThere(join(this.#options.dir, segmentName(segment)));
    if (file === undefined) return Buffer.alloc(0);
    try {
      for (let size = READ_BYTES; ; size *= 2) {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(size), 0, size, offset);
        if (bytesRead < size || buffer.includes(LINE_FEED)) return buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }

  async #nextSegment(): Promise<boolean> {
    const { dir } = this.#options;
    const next = this.#cursor.segment + 1;
    const file = await openIfThere(join(dir, segmentName(next)));
    if (file === undefined) return false;
    await file.close();
    // The writer opens a segment after it has closed the one before. What it wrote there since the last look is final.
    if ((await this.#read(this.#cursor)).includes(LINE_FEED)) return true;
    this.#cursor = { segment: next, offset: 0 };
    await this.#saveCursor();
    await rm(join(dir, segmentName(next - REPORTED_SEGMENTS_KEPT)), { force: true });
    return true;
  }

  async #loadCursor(): Promise<Cursor> {
    try {
      return JSON.parse(await readFile(join(this.#options.dir, CURSOR_FILE), 'utf8')) as Cursor;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { segment: 1, offset: 0 };
      throw error;
    }
  }

  /** By rename, so that a crash leaves the old or the new one. */
  async #saveCursor(): Promise<void> {
    const file = join(this.#options.dir, CURSOR_FILE);
    await writeFile(`${file}.new`, JSON.stringify(this.#cursor));
    await rename(`${file}.new`, file);
  }
}

const LINE_FEED = 0x0a;

async function openIfThere(file: string) {
  try {
    return await open(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
