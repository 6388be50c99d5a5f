import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface GroupProcess {
  readonly pid: number;
  readonly command: string;
}

/** A program that runs at the head of a process group of its own, as in a terminal. */
export interface ProcessGroup {
  /** What it has said so far, on both streams. */
  output(): string;
  /** Null while it runs, and when a signal has ended it. */
  exitCode(): number | null;
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  /** The processes of the group that live. */
  processes(): GroupProcess[];
  /** Sends a signal to all of them, as a terminal does. */
  signal(signal: 'SIGINT' | 'SIGKILL'): void;
  /** Ends what is left of it. */
  close(): Promise<void>;
}

/**
 * Runs a TypeScript file of the repository. Nothing of it outlives this process: a guard with the only other end of a
 * pipe notices when this process is gone, however it went, kills the group, and removes `ownDir`, if there is one.
 */
export function startGroup(
  file: string,
  args: readonly string[],
  { ownDir = '', env = {} }: { readonly ownDir?: string; readonly env?: Readonly<Record<string, string>> } = {},
): ProcessGroup {
  const child = spawn(process.execPath, [file, ...args], {
    cwd: ROOT,
    detached: true,
    env: { ...localPartsOnly(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const group = child.pid ?? assert.fail(`${file} could not be started`);
  const guard = spawn('sh', ['-c', GUARD, 'sh', String(group), ownDir], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const closed = once(child, 'close');
  return {
    output: () => output,
    exitCode: () => child.exitCode,
    ended: closed.then(() => undefined),
    processes: () => processesOf(group),
    signal: (signal) => signalGroup(group, signal),
    async close() {
      signalGroup(group, 'SIGKILL');
      await closed;
      await release(guard);
    },
  };
}

/** Whatever the pipe brings means that all is well; its end does not. */
const GUARD = `read -r line || { kill -s KILL -- "-$1"; rm -rf -- "$2"; } 2>/dev/null`;

/** Parts that the surroundings name would be used instead of those that are to be tested. */
function localPartsOnly(): NodeJS.ProcessEnv {
  const { KAFKA_BROKERS: _, CLICKHOUSE_URL: __, MQTT_URL: ___, ...rest } = process.env;
  return rest;
}

function processesOf(group: number): GroupProcess[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,pgid=,stat=,args='], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => {
    const [, pid, pgid, state, command = ''] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    // A zombie has ended, and waits for whoever adopted it.
    return Number(pgid) === group && !state?.startsWith('Z') ? [{ pid: Number(pid), command }] : [];
  });
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function release(guard: ChildProcess): Promise<void> {
  if (guard.exitCode !== null || guard.signalCode !== null) return;
  guard.stdin?.end('all is well\n');
  await once(guard, 'exit');
}
