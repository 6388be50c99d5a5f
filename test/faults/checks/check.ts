import { setTimeout as sleep } from 'node:timers/promises';

/** What a check has found: how much it compared, and what does not hold. */
export interface Outcome {
  readonly check: string;
  /** How many things were looked at. A check that looked at nothing has proved nothing. */
  readonly compared: number;
  readonly problems: readonly string[];
}

const EXAMPLES_MAX = 5;

export function outcome(check: string, compared: number, problems: readonly string[]): Outcome {
  return { check, compared, problems: compared > 0 ? problems : [...problems, 'there was nothing to compare'] };
}

/** No problem, or one that counts them and names some. */
export function examples(what: string, cases: readonly string[]): string[] {
  if (cases.length === 0) return [];
  const more = cases.length > EXAMPLES_MAX ? ', ...' : '';
  return [`${cases.length} ${what}: ${cases.slice(0, EXAMPLES_MAX).join(', ')}${more}`];
}

const SETTLE_MS_MAX = 90_000;
const SETTLE_POLL_MS = 500;

/** Looks again while there are problems: what comes last may still be on its way when what is waited for has arrived. */
export async function settled(look: () => Promise<readonly Outcome[]>): Promise<readonly Outcome[]> {
  const deadlineMs = performance.now() + SETTLE_MS_MAX;
  for (;;) {
    const outcomes = await look();
    const holds = outcomes.every(({ problems }) => problems.length === 0);
    if (holds || performance.now() > deadlineMs) return outcomes;
    await sleep(SETTLE_POLL_MS);
  }
}
