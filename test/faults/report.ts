import type { DrillResult } from './drill.ts';

export function printReport(result: DrillResult, asJson: boolean): void {
  const width = Math.max(...result.checks.map(({ check }) => check.length));
  console.log('');
  for (const { check, compared, problems } of result.checks) {
    const verdict = problems.length === 0 ? 'holds' : 'DOES NOT HOLD';
    console.log(`  ${check.padEnd(width)}  ${String(compared).padStart(8)}  ${verdict}`);
    for (const problem of problems) console.log(`      ${problem}`);
  }
  const memory = Object.entries(result.rssMibPeaks).map(([service, mib]) => `${service} ${mib}`);
  console.log(`\n  largest process in MiB: ${memory.join(', ')}`);
  console.log(result.ok ? `  everything holds (seed ${result.seed})` : `  NOT EVERYTHING HOLDS (seed ${result.seed})`);
  if (asJson) console.log(JSON.stringify(result));
}
