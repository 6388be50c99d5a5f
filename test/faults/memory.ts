import { type Platform, residentMib, SERVICES, type Service } from '@millrace/test-platform';

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
    const mibOf = residentMib();
    for (const service of SERVICES) {
      for (const pid of platform.pidsOf(service)) {
        peaks.set(service, Math.max(mibOf.get(pid) ?? 0, peaks.get(service) ?? 0));
      }
    }
  }, EVERY_MS);
  return { peaks, stop: () => clearInterval(timer) };
}
