import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { HttpClient } from '../send/http-client.ts';
import { LedgerReporter } from './reporter.ts';

/** Ledgers of this many finished runs are kept for people to look at. */
const RUNS_KEPT = 5;

/**
 * Reports what runs before `current` could not: each has a folder in `root` that is named after its sender. Only for a
 * root that no other process writes to.
 */
export async function reportEarlierRuns(root: string, current: string, client: HttpClient): Promise<void> {
  const senders = (await readdir(root, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && entry.name !== current)
    .map(({ name }) => name)
    .sort();
  for (const sender of senders) {
    await new LedgerReporter({ dir: join(root, sender), sender, client }).reportAll();
  }
  // Their names begin with the time, so the first are the oldest.
  for (const sender of senders.slice(0, -RUNS_KEPT)) await rm(join(root, sender), { recursive: true });
}
