import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const SEED_MAX = 2 ** 32 - 1;

/** The number of a flag, `min` to `max`. @throws {TypeError} with what it takes. */
export function wholeNumber(flag: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new TypeError(`${flag} takes a whole number from ${min} to ${max}, not "${text}"`);
}

/** Prints lines, each with the seconds since this call. */
export function startClock(): (line: string) => void {
  const startedMs = performance.now();
  return (line) => console.log(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(7)} s  ${line}`);
}

export interface DrillPlace {
  /** Empty, of this drill alone. */
  readonly dataDir: string;
  readonly say: (line: string) => void;
}

/**
 * Runs a drill as the whole of a command, in a folder of its own that is kept when the drill does not hold. Ctrl-C ends
 * this process as it does any other: everything that the drill has started ends with it.
 */
export async function runDrill<R extends { readonly ok: boolean }>(
  name: string,
  seed: number,
  drill: (place: DrillPlace) => Promise<R>,
  print: (result: R) => void,
): Promise<void> {
  const say = startClock();
  const dataDir = await mkdtemp(join(tmpdir(), `millrace-${name}-`));
  const ok = await drill({ dataDir, say }).then(
    (result) => {
      print(result);
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
    console.error(`seed ${seed}; logs and data of this drill are kept in ${dataDir}`);
    process.exitCode = 1;
  }
}
