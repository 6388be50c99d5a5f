import { readFileSync } from 'node:fs';

/** Linux counts CPU time in hundredths of a second (USER_HZ, part of its ABI). */
const TICK_US = 10_000;
const PAGE_BYTES = 4_096;

/** CPU time of a process with all its threads since its start, and its resident memory now. */
export interface Usage {
  readonly cpuUs: number;
  readonly rssBytes: number;
}

/** From /proc; all zeros where there is none (macOS). */
export function usageOf(pid: number | undefined): Usage {
  const text = pid === undefined ? undefined : read(`/proc/${pid}/stat`);
  if (text === undefined) return { cpuUs: 0, rssBytes: 0 };
  // Behind the name, which may hold anything: field 3 is the state, 14 and 15 are CPU time, 24 is pages of memory.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number) => Number(fields[number - 3] ?? 0);
  return { cpuUs: (field(14) + field(15)) * TICK_US, rssBytes: field(24) * PAGE_BYTES };
}

/** CPU time of everything on the machine, and what the hypervisor gave to others meanwhile. */
export function machineCpuUs(): number {
  const [line = ''] = (read('/proc/stat') ?? '').split('\n', 1);
  // user, nice, system, idle, iowait, irq, softirq, steal; user includes guests.
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(/ +/).slice(1).map(Number);
  return (user + nice + system + irq + softirq + steal) * TICK_US;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
