import { execFileSync } from 'node:child_process';

/** Resident memory of every process of this machine, in MiB, by process id. */
export function residentMib(): ReadonlyMap<number, number> {
  const lines = execFileSync('ps', ['-eo', 'pid=,rss='], { encoding: 'utf8' }).trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [pid = 0, kib = 0] = line.trim().split(/\s+/).map(Number);
      return [pid, Math.round(kib / 1_024)];
    }),
  );
}
