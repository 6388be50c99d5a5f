import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { LocalStackError } from './error.ts';
import { PORT_OFFSET_MAX } from './ports.ts';

export const USAGE = `usage: npm start -- [flags]
  --port-base N   all ports in one block from N on, for a second stack on the same machine (default: the well-known ports)
  --data DIR      where Kafka, ClickHouse and the logs are kept (default: .millrace in the repository)
  --no-traffic    no simulated shoppers and devices
  --rate N        simulated payments per second (default 50)
  --devices N     simulated devices, each sending one reading per second (default 200)
  --instances N   processes each of enricher and fraud-detector (default 1)`;

const PORT_BASE_MIN = 1_024;
const RATE_MAX = 100_000;
const DEVICES_MAX = 1_000_000;
/** More than partitions would stand idle. */
const INSTANCES_MAX = 4;

export interface StartFlags {
  readonly portBase: number | undefined;
  readonly dataDir: string;
  /** Simulated payments per second and devices; undefined with `--no-traffic`. */
  readonly traffic: { readonly rate: number; readonly devices: number } | undefined;
  readonly instances: number;
}

/**
 * Reads the flags of `npm start`.
 *
 * @param args what follows `--` on the command line
 * @param defaultDataDir used without `--data`; a relative `--data` counts from the current folder
 * @throws LocalStackError `bad-flag`, naming the flag, what it takes, and the usage
 */
export function parseStartFlags(args: readonly string[], defaultDataDir: string): StartFlags {
  const values = readFlags(args);
  const rate = wholeNumber('--rate', values.rate ?? '50', 1, RATE_MAX);
  const devices = wholeNumber('--devices', values.devices ?? '200', 1, DEVICES_MAX);
  if (values['no-traffic'] && (values.rate !== undefined || values.devices !== undefined)) {
    throw badFlag('--no-traffic and --rate or --devices contradict each other: leave one of them out');
  }
  return {
    portBase:
      values['port-base'] === undefined
        ? undefined
        : wholeNumber('--port-base', values['port-base'], PORT_BASE_MIN, 65_535 - PORT_OFFSET_MAX),
    dataDir: resolve(dataFlag(values.data) ?? defaultDataDir),
    traffic: values['no-traffic'] ? undefined : { rate, devices },
    instances: wholeNumber('--instances', values.instances ?? '1', 1, INSTANCES_MAX),
  };
}

/** Reads the one flag of `npm run reset`: `--data DIR`. */
export function parseResetFlags(args: readonly string[], defaultDataDir: string): { dataDir: string } {
  try {
    const { values } = parseArgs({ args: [...args], options: { data: { type: 'string' } }, strict: true });
    return { dataDir: resolve(dataFlag(values.data) ?? defaultDataDir) };
  } catch (cause) {
    if (cause instanceof LocalStackError) throw cause;
    throw new LocalStackError('bad-flag', `${(cause as Error).message}\nusage: npm run reset -- [--data DIR]`, {
      cause,
    });
  }
}

function readFlags(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        'port-base': text,
        data: text,
        'no-traffic': { type: 'boolean', default: false },
        rate: text,
        devices: text,
        instances: text,
      },
      strict: true,
    }).values;
  } catch (cause) {
    throw badFlag((cause as Error).message, cause);
  }
}

function wholeNumber(flag: string, text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw badFlag(`${flag} takes a whole number from ${min} to ${max}, not "${text}"`);
}

function dataFlag(dir: string | undefined): string | undefined {
  if (dir === '') throw badFlag('--data takes the path of a folder');
  return dir;
}

function badFlag(problem: string, cause?: unknown): LocalStackError {
  return new LocalStackError('bad-flag', `${problem}\n\n${USAGE}`, { cause });
}
