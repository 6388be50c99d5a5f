import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';

export const LEDGER_KINDS = ['payment', 'telemetry'] as const;
export type LedgerKind = (typeof LEDGER_KINDS)[number];

export interface LedgerOptions {
  /** Of this run alone; made when it is missing. */
  readonly dir: string;
  readonly nowMs: () => number;
  /** Called when the file cannot be written: without a ledger nothing may be sent. */
  readonly onFailure: (error: unknown) => void;
}

export interface LedgerCounts {
  readonly sent: number;
  readonly acknowledged: number;
  readonly refused: number;
}

/** One line of the file: ids in groups, because two thousand lines a second would be mostly punctuation. */
export type LedgerLine =
  | { readonly kind: 'sent'; readonly at: number; readonly ids: Ids }
  | { readonly kind: 'acknowledged'; readonly at: number; readonly sequence: number; readonly ids: Ids }
  | { readonly kind: 'refused'; readonly at: number; readonly ids: Ids; readonly reason: string };
export type Ids = Readonly<Partial<Record<LedgerKind, readonly string[]>>>;

/** Ids wait this long for their line. A crash forgets at most this much; the ids are then in the raw topic only. */
const GROUP_MS_MAX = 500;
/** At most this many ids in a line: some hundred kilobytes, and one post to the API. */
export const GROUP_IDS_MAX = 5_000;
export const SEGMENT_BYTES_MAX = 32 * 1024 * 1024;

/**
 * What was sent, and what became of it, as an append-only file in segments (`000001.ndjson`, ...). It is the sender's
 * own truth: what it says was acknowledged must come out at the other end, once.
 */
export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  await mkdir(options.dir, { recursive: true });
  return new Ledger(options);
}

export class Ledger {
  readonly #options: LedgerOptions;
  readonly #counts: Record<LedgerKind, { sent: number; acknowledged: number; refused: number }> = {
    payment: { sent: 0, acknowledged: 0, refused: 0 },
    telemetry: { sent: 0, acknowledged: 0, refused: 0 },
  };
  readonly #reasons = new Map<string, number>();
  #sent: Record<LedgerKind, string[]> = { payment: [], telemetry: [] };
  #acknowledged: Record<LedgerKind, string[]> = { payment: [], telemetry: [] };
  #refused: { kind: LedgerKind; id: string; reason: string }[] = [];
  #grouped = 0;
  #sequence = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #file: FileHandle | undefined;
  #segment = 0;
  #segmentBytes = 0;
  #bytes = 0;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** Bytes of all segments that were written. */
  get bytes(): number {
    return this.#bytes;
  }

  counts(kind: LedgerKind): LedgerCounts {
    return { ...this.#counts[kind] };
  }

  /** How often each reason of a refusal was given. */
  reasons(): ReadonlyMap<string, number> {
    return this.#reasons;
  }

  sent(kind: LedgerKind, id: string): void {
    this.#counts[kind].sent += 1;
    this.#sent[kind].push(id);
    this.#grew();
  }

  acknowledged(kind: LedgerKind, id: string): void {
    this.#counts[kind].acknowledged += 1;
    this.#acknowledged[kind].push(id);
    this.#grew();
  }

  refused(kind: LedgerKind, id: string, reason: string): void {
    this.#counts[kind].refused += 1;
    this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1);
    this.#refused.push({ kind, id, reason });
    this.#grew();
  }

  /** Resolves when everything said so far is in the file. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#takeLines();
    if (lines.length > 0) {
      const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
      this.#writing = this.#writing.then(() => this.#append(Buffer.from(text)));
    }
    return this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#file?.close();
    this.#file = undefined;
  }

  #grew(): void {
    this.#grouped += 1;
    if (this.#grouped >= GROUP_IDS_MAX) this.#flushOrFail();
    else this.#timer ??= setTimeout(() => this.#flushOrFail(), GROUP_MS_MAX);
  }

  #flushOrFail(): void {
    this.flush().catch((error: unknown) => this.#options.onFailure(error));
  }

  #takeLines(): LedgerLine[] {
    const at = this.#options.nowMs();
    const lines: LedgerLine[] = [];
    if (hasIds(this.#sent)) lines.push({ kind: 'sent', at, ids: this.#sent });
    if (hasIds(this.#acknowledged)) {
      this.#sequence += 1;
      lines.push({ kind: 'acknowledged', at, sequence: this.#sequence, ids: this.#acknowledged });
    }
    for (const [, group] of Map.groupBy(this.#refused, ({ kind, reason }) => `${kind} ${reason}`)) {
      const [first] = group;
      if (first === undefined) continue;
      const ids = { [first.kind]: group.map(({ id }) => id) };
      lines.push({ kind: 'refused', at, ids, reason: first.reason });
    }
    this.#sent = { payment: [], telemetry: [] };
    this.#acknowledged = { payment: [], telemetry: [] };
    this.#refused = [];
    this.#grouped = 0;
    return lines;
  }

  async #append(bytes: Buffer): Promise<void> {
    if (this.#file !== undefined && this.#segmentBytes + bytes.length > SEGMENT_BYTES_MAX) {
      await this.#file.close();
      this.#file = undefined;
    }
    if (this.#file === undefined) {
      this.#segment += 1;
      this.#segmentBytes = 0;
      this.#file = await open(join(this.#options.dir, segmentName(this.#segment)), 'ax');
    }
    await this.#file.appendFile(bytes);
    this.#segmentBytes += bytes.length;
    this.#bytes += bytes.length;
  }
}

export function segmentName(segment: number): string {
  return `${String(segment).padStart(6, '0')}.ndjson`;
}

function hasIds(ids: Record<LedgerKind, string[]>): boolean {
  return LEDGER_KINDS.some((kind) => ids[kind].length > 0);
}
