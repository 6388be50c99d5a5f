// npm run test:faults -- [--rounds N] [--seed N] [--json]    see README.md
import { runDrill } from '@millrace/test-platform';
import { drill } from './drill.ts';
import { readFlags } from './flags.ts';
import { printReport } from './report.ts';

const flags = readFlags(process.argv.slice(2));
if (flags === undefined) {
  process.exitCode = 2;
} else {
  await runDrill(
    'faults',
    flags.seed,
    (place) => drill({ ...flags, ...place }),
    (result) => printReport(result, flags.json),
  );
}
