import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/clickhouse/main.ts', import.meta.url));
const START_MS_MAX = 60_000;

export interface ServerProcess {
  readonly url: string;
  readonly child: ChildProcess;
  /** What it has written to both outputs. */
  output(): string;
  /** Sends the signal and waits for the end; the exit code, or the signal that ended it. */
  stop(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>;
}

/** A ClickHouse server process of its own on a free port, with the data folder given. */
export async function startServer(
  dataDir: string,
  options: { args?: readonly string[]; env?: Readonly<Record<string, string>>; ipc?: boolean } = {},
): Promise<ServerProcess> {
  const { args = [], env = {}, ipc = false } = options;
  const child = spawn(process.execPath, [MAIN, '--port', '0', '--data', dataDir, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? ['ipc' as const] : [])],
  });
  let output = '';
  const exited = once(child, 'exit');
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not up in ${START_MS_MAX} ms: ${output}`)), START_MS_MAX);
    const read = (chunk: Buffer) => {
      output += chunk;
      const found = /listens on (http:\S+)/.exec(output)?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(found);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    exited.then(([code]) => {
      clearTimeout(timer);
      reject(new ServerEnded(code as number, output));
    }, reject);
  });
  return {
    url,
    child,
    output: () => output,
    async stop(signal) {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      const [code, endedBy] = await exited;
      return (code ?? endedBy) as number | NodeJS.Signals;
    },
  };
}

/** The process has ended instead of listening. */
export class ServerEnded extends Error {
  readonly exitCode: number;
  readonly output: string;

  constructor(exitCode: number, output: string) {
    super(`the server has ended with exit code ${exitCode}: ${output}`);
    this.exitCode = exitCode;
    this.output = output;
  }
}

/** A data folder, removed at the end of the test. */
export async function temporaryDataDir(t: { after(fn: () => unknown): void }): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-clickhouse-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** POSTs a query with the parameters in the URL. */
export function post(
  url: string,
  query: string | Uint8Array,
  parameters: Readonly<Record<string, string>> = {},
  init: RequestInit = {},
): Promise<Response> {
  return fetch(`${url}/?${new URLSearchParams(parameters)}`, {
    method: 'POST',
    body: query as string,
    ...init,
  });
}

/** POSTs a query that must succeed; its result as text. */
export async function run(
  url: string,
  query: string | Uint8Array,
  parameters: Readonly<Record<string, string>> = {},
): Promise<string> {
  const response = await post(url, query, parameters);
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status}: ${text}`);
  return text;
}
