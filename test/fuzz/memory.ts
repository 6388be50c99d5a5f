import { spawnSync } from 'node:child_process';

const EVERY_MS = 250;

export interface MemoryWatch {
  /** Forgets the peak up to now. */
  restart(): void;
  /** The largest resident memory that was seen, in MiB. */
  peakMib(): number;
  stop(): void;
}

export function watchMemory(pid: number): MemoryWatch {
  let peakMib = 0;
  const look = () => {
    // Says nothing of a process that has ended, which is noticed by its pid.
    const kib = Number(spawnSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' }).stdout);
    peakMib = Math.max(peakMib, Math.round(kib / 1_024));
  };
  const timer = setInterval(look, EVERY_MS);
  return {
    restart: () => {
      peakMib = 0;
    },
    peakMib: () => {
      look();
      return peakMib;
    },
    stop: () => clearInterval(timer),
  };
}
