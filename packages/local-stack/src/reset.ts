// npm run reset: forgets the data of `npm start`.
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { REPOSITORY_DIR } from './config.ts';
import { assertDataFolderUnused } from './data-lock.ts';
import { LocalStackError } from './error.ts';
import { parseResetFlags } from './flags.ts';

/** What `npm start` and the simulator make in the data folder. Nothing else is removed: `--data` may name a folder by mistake. */
const OWN_ENTRIES = ['kafka', 'clickhouse', 'ledgers', 'logs', 'lock.json'];

try {
  const { dataDir } = parseResetFlags(process.argv.slice(2), join(REPOSITORY_DIR, '.millrace'));
  await assertDataFolderUnused(dataDir);
  await reset(dataDir);
} catch (error) {
  if (!(error instanceof LocalStackError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

async function reset(dataDir: string): Promise<void> {
  if (!existsSync(dataDir)) {
    console.log(`nothing to forget: ${dataDir} does not exist`);
    return;
  }
  for (const entry of OWN_ENTRIES) await rm(join(dataDir, entry), { recursive: true, force: true });
  const left = await readdir(dataDir);
  if (left.length === 0) await rm(dataDir, { recursive: true });
  const kept = left.length === 0 ? '' : ` (kept, because \`npm start\` did not make it: ${left.join(', ')})`;
  console.log(`forgot the data in ${dataDir}${kept}`);
}
