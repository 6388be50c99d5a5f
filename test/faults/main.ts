// npm run test:faults -- [--rounds N] [--seed N] [--json]    see README.md
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { drill } from './drill.ts';
import { readFlags } from './flags.ts';
import { printReport } from './report.ts';

const flags = readFlags(process.argv.slice(2));
if (flags === undefined) {
  process.exitCode = 2;
} else {
  const startedMs = performance.now();
  const say = (line: string) =>
    console.log(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(7)} s  ${line}`);
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-faults-'));
  // Ctrl-C ends this process as it does any other: everything that it has started ends with it.
  const ok = await drill({ ...flags, dataDir, say }).then(
    (result) => {
      printReport(result, flags.json);
      return result.ok;
    },
    (error: unknown) => {
      console.error(error);
      return false;
    },
  );
  if (ok) {
    await rm(dataDir, { recursive: true, force: true });
  } else {
    console.error(`seed ${flags.seed}; logs and data of this drill are kept in ${dataDir}`);
    process.exitCode = 1;
  }
}
