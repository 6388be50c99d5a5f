import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { LocalStackError } from '../error.ts';

export const CLICKHOUSE_USAGE = `usage: main.ts --port N --data DIR [--host ADDRESS]
  --port N        the HTTP port; 0 takes a free one
  --data DIR      where the tables are kept; one process at a time
  --host ADDRESS  where to listen (default 127.0.0.1); beyond loopback CLICKHOUSE_PASSWORD must be set`;

export interface ClickHouseConfig {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly isLoopback: boolean;
  /** Of the user `default`. */
  readonly password: string | undefined;
  /** Of the user `readonly`. */
  readonly readOnlyPassword: string | undefined;
  /** Started by `npm start`, which ends it in order: Ctrl-C is not meant for this process. */
  readonly isSupervised: boolean;
}

/** @throws LocalStackError `bad-flag` with the usage */
export function loadClickHouseConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = process.env,
): ClickHouseConfig {
  const { port, data, host } = readFlags(args);
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw badFlag(`--port takes a number to 65535, not "${port}"`);
  if (data === '') throw badFlag('--data takes the path of a folder');
  const isLoopback = host === 'localhost' || host === '::1' || host.startsWith('127.');
  const password = env.CLICKHOUSE_PASSWORD || undefined;
  if (!isLoopback && password === undefined) {
    throw badFlag(`--host ${host} is reachable from outside: set CLICKHOUSE_PASSWORD, or leave --host out`);
  }
  return Object.freeze({
    host,
    port: Number(port),
    dataDir: resolve(data),
    isLoopback,
    password,
    readOnlyPassword: env.CLICKHOUSE_READONLY_PASSWORD || undefined,
    isSupervised: env.MILLRACE_SUPERVISED === '1',
  });
}

/**
 * Makes libuv's thread pool large enough for so many native calls at a time, with room for Node's own (zlib, files). The
 * pool is sized when it is first used, so this comes before anything else.
 */
export function sizeThreadPool(nativeCallsMax: number, env: NodeJS.ProcessEnv = process.env): void {
  env.UV_THREADPOOL_SIZE = String(nativeCallsMax + NODE_THREADS);
}

const NODE_THREADS = 4;

function readFlags(args: readonly string[]): { port: string; data: string; host: string } {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({ args: [...args], options: { port: text, data: text, host: text }, strict: true });
    return { port: values.port ?? '', data: values.data ?? '', host: values.host ?? '127.0.0.1' };
  } catch (cause) {
    throw badFlag((cause as Error).message, cause);
  }
}

function badFlag(problem: string, cause?: unknown): LocalStackError {
  return new LocalStackError('bad-flag', `${problem}\n\n${CLICKHOUSE_USAGE}`, { cause });
}
