import type { DeadLetterFilter, LetterPosition, PagePosition } from '@millrace/warehouse';
import type { Reads } from '../reads.ts';
import type { RedriveResult, RedriveThroughIngest } from './ingest-client.ts';

export interface RedriveSources {
  readonly reads: Pick<Reads, 'listDeadLetters' | 'countDeadLetters' | 'readDeadLetters'>;
  readonly redrive: RedriveThroughIngest;
}

export interface RedriveOrder {
  readonly filter: DeadLetterFilter;
  readonly dryRun: boolean;
  /** Letters that are looked at. */
  readonly limit: number;
  readonly after?: PagePosition | undefined;
}

export interface RedriveOutcome {
  readonly results: readonly RedriveResult[];
  /** Letters like these behind the last one. */
  readonly remaining: number;
  /** Where the next call begins; undefined when none remain. */
  readonly next: PagePosition | undefined;
}

/** Bytes in base64 that are read from the store at once. A letter that is larger goes alone. */
const READ_BASE64_MAX = 4_000_000;
const READ_LETTERS_MAX = 200;

/**
 * Sends letters through ingest again, oldest first.
 *
 * Delivery: each once, which ingest sees to. When this fails half way, some were sent: asking again sends the others.
 */
export async function redriveLetters(
  { reads, redrive }: RedriveSources,
  { filter, dryRun, limit, after }: RedriveOrder,
): Promise<RedriveOutcome> {
  const order = 'oldest-first';
  const positions = await reads.listDeadLetters(filter, { order, limit, after });
  const results: RedriveResult[] = [];
  for (const part of inReads(positions)) {
    const letters = await reads.readDeadLetters(part.map(({ id }) => id));
    results.push(...(await redrive(letters, dryRun)));
  }
  const last = positions.length === limit ? positions.at(-1) : undefined;
  const remaining = last === undefined ? 0 : await reads.countDeadLetters(filter, { order, after: last });
  return { results, remaining, next: remaining === 0 ? undefined : last };
}

export function* inReads(positions: readonly LetterPosition[]): Generator<LetterPosition[]> {
  let part: LetterPosition[] = [];
  let length = 0;
  for (const position of positions) {
    const isFull = part.length >= READ_LETTERS_MAX || length + position.base64Length > READ_BASE64_MAX;
    if (part.length > 0 && isFull) {
      yield part;
      part = [];
      length = 0;
    }
    part.push(position);
    length += position.base64Length;
  }
  if (part.length > 0) yield part;
}
