import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createLogger, createMetrics } from '@millrace/observability';
import { createApiKeys, readApiKeys } from '../../src/access/api-keys.ts';
import type { RateLimit } from '../../src/access/token-bucket.ts';
import { createIngestMetrics } from '../../src/metrics.ts';
import { NOW_MS } from '../fixtures.ts';

export const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

export async function createFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ingest-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** A file in a folder of its own. */
export async function createFile(t: TestContext, content: unknown): Promise<string> {
  const file = join(await createFolder(t), 'credentials.json');
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

/** Keys from a file, with a clock that a test moves. */
export async function createKeys(t: TestContext, keys: readonly object[], rateLimit?: RateLimit) {
  const clock = { nowMs: NOW_MS };
  const nowMs = () => clock.nowMs;
  const table = await readApiKeys({ file: await createFile(t, { keys }), rateLimit, nowMs });
  return { apiKeys: createApiKeys(() => table, nowMs), clock, nowMs };
}

export function createWatched() {
  const lines: string[] = [];
  const logger = createLogger({ service: 'ingest', destination: { write: (line) => lines.push(line) } });
  const registry = createMetrics('ingest');
  const metrics = createIngestMetrics(registry);
  const failed = async () => (await metrics.reloadFailed.get()).values[0]?.value;
  return { lines, logger, metrics, failed };
}
