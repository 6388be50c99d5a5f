import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decided, type Platform, pay, randomOf } from '@millrace/test-platform';
import { watchMemory } from './memory.ts';
import type { FuzzPart } from './part.ts';
import { newPayment } from './payment.ts';

/** Of the ingest process. It has 250 MiB with 10,000 connections, and V8 collects its garbage when it likes. */
const INGEST_MIB_MAX = 600;

export interface FuzzOptions {
  readonly seed: number;
  readonly examples: number;
  readonly say: (line: string) => void;
}

/**
 * Runs the parts one after the other. After each the platform must take and decide a payment with the processes that it
 * was started with, within its memory, and without an error of its own making in the log.
 */
export async function fuzz(platform: Platform, parts: readonly FuzzPart[], options: FuzzOptions): Promise<string[]> {
  const { seed, say } = options;
  const failures: string[] = [];
  const pids = { ingest: platform.pidOf('ingest'), api: platform.pidOf('api') };
  const memory = watchMemory(pids.ingest);
  await decidesPayments(platform);
  for (const [index, part] of parts.entries()) {
    try {
      memory.restart();
      const did = await part.run({ ...options, platform, random: randomOf(seed + index) });
      await decidesPayments(platform);
      assert.deepEqual({ ingest: platform.pidOf('ingest'), api: platform.pidOf('api') }, pids, 'a service has died');
      const mib = memory.peakMib();
      assert.ok(mib <= INGEST_MIB_MAX, `ingest took ${mib} MiB, more than ${INGEST_MIB_MAX}`);
      assert.deepEqual(await internalErrors(platform.dataDir), []);
      say(`${part.name}: ${did}; ingest at most ${mib} MiB`);
    } catch (error) {
      say(`${part.name}: FAILED`);
      failures.push(`${part.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }
  memory.stop();
  return failures;
}

async function decidesPayments(platform: Platform): Promise<void> {
  const payment = newPayment();
  await pay(platform, payment);
  const { decision } = await decided(platform, payment.transaction_id);
  assert.equal(decision.transaction_id, payment.transaction_id);
}

/** Lines of the logs that say that a service did not know what to do. */
async function internalErrors(dataDir: string): Promise<string[]> {
  const folder = join(dataDir, 'logs');
  const found: string[] = [];
  for (const name of await readdir(folder)) {
    if (!/^(ingest|api)\b/.test(name)) continue;
    const lines = (await readFile(join(folder, name), 'utf8')).split('\n');
    found.push(...lines.filter((line) => /"level":"(error|fatal)"/.test(line)));
  }
  return found;
}
