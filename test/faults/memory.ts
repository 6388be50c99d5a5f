import { execFileSync } from 'node:child_process';
import { type Platform, SERVICES, type Service } from '@millrace/test-platform';

const EVERY_MS = 2_000;

export interface MemoryWatch {
  /** The largest resident memory that any process of a service was seen with, in MiB. */
  readonly peaks: ReadonlyMap<Service, number>;
  stop(): void;
}

/** Looks at the processes of all services every two seconds. */
export function watchMemory(platform: Platform): MemoryWatch {
  const peaks = new Map<Service, number>();
  const timer = setInterval(() => {
    const lines = execFileSync('ps', ['-eo', 'pid=,rss='], { encoding: 'utf8' }).trim().split('\n');
    const rssOf = new Map(lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]));
    for (const service of SERVICES) {
      for (const pid of platform.pidsOf(service)) {
        const mib = Math.round((rssOf.get(pid) ?? 0) / 1_024);
        peaks.set(service, Math.max(mib, peaks.get(service) ?? 0));
      }
    }
  }, EVERY_MS);
  return { peaks, stop: () => clearInterval(timer) };
}
