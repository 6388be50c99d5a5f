import { type Ledger, readId } from './ledger.ts';

/** Of each kind of fault so many are named, the others are counted. */
const NAMED_MAX = 5;

export interface Verdict {
  readonly sent: number;
  readonly acknowledged: number;
  readonly kept: number;
  /** Kept although nobody was told: the answer was lost with its connection. */
  readonly keptUnsaid: number;
  /** Records beyond the first of an id: a chunk of a stream that ingest had to publish again. */
  readonly repeats: number;
  readonly problems: readonly string[];
}

/**
 * Compares what senders know with what a raw topic holds.
 *
 * @param partitions ids in each partition, in the order of their offsets
 */
export function verify(ledger: Ledger, partitions: readonly (readonly string[])[]): Verdict {
  const kept = new Set(partitions.flat());
  const problems = [
    ...list(
      'acknowledged and not kept',
      [...ledger.acknowledged].filter((id) => !kept.has(id)),
    ),
    ...list(
      'refused and kept all the same',
      [...ledger.refused].filter((id) => kept.has(id)),
    ),
    ...list(
      'kept and sent by nobody',
      [...kept].filter((id) => !ledger.sent.has(id)),
    ),
    ...list('kept behind a later one of the same sender', partitions.flatMap(outOfOrder)),
  ];
  let keptUnsaid = 0;
  for (const id of kept) if (!ledger.acknowledged.has(id)) keptUnsaid += 1;
  const records = partitions.reduce((sum, ids) => sum + ids.length, 0);
  const { sent, acknowledged } = ledger;
  return {
    sent: sent.size,
    acknowledged: acknowledged.size,
    kept: kept.size,
    keptUnsaid,
    repeats: records - kept.size,
    problems,
  };
}

/** Ids that came, for the first time, behind one of the same sender with a larger number. */
function outOfOrder(ids: readonly string[]): string[] {
  const seen = new Set<string>();
  const largest = new Map<string, number>();
  const wrong: string[] = [];
  for (const id of ids) {
    if (seen.has(id)) continue;
    seen.add(id);
    const { sender, number } = readId(id);
    if (number < (largest.get(sender) ?? -1)) wrong.push(id);
    else largest.set(sender, number);
  }
  return wrong;
}

function list(what: string, ids: readonly string[]): string[] {
  if (ids.length === 0) return [];
  const more = ids.length > NAMED_MAX ? `, and ${ids.length - NAMED_MAX} more` : '';
  return [`${ids.length} ${what}: ${ids.slice(0, NAMED_MAX).join(', ')}${more}`];
}
