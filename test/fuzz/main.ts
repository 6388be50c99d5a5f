// npm run test:fuzz -- [--seed N] [--examples N] [--only PART]...    see README.md
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePortBase, startClock, startPlatform } from '@millrace/test-platform';
import { readFlags } from './flags.ts';
import { fuzz } from './fuzz.ts';
import { PARTS } from './parts.ts';

const flags = readFlags(
  process.argv.slice(2),
  PARTS.map(({ name }) => name),
);
if (flags === undefined) {
  process.exitCode = 2;
} else {
  const say = startClock();
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-fuzz-'));
  const parts = PARTS.filter(({ name }) => flags.only.length === 0 || flags.only.includes(name));
  say(`seed ${flags.seed}; starting the platform`);
  const platform = await startPlatform({ dataDir, portBase: await freePortBase() });
  let failures: readonly string[];
  try {
    failures = await fuzz(platform, parts, { ...flags, say });
  } finally {
    await platform.group.close();
  }
  if (failures.length === 0) {
    await rm(dataDir, { recursive: true, force: true });
    say(`all ${parts.length} parts passed`);
  } else {
    for (const failure of failures) console.error(`\n${failure}`);
    console.error(`\nseed ${flags.seed}; logs and data of this run are kept in ${dataDir}`);
    process.exitCode = 1;
  }
}
