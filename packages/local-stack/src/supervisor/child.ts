import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE_DIR, childEnvironment } from '../config.ts';

/** A log file that has grown past this is put aside (`.1`) when its part starts the next time. */
const LOG_BYTES_MAX = 20 * 1024 * 1024;

/** How to run a part. */
export type Program =
  /** A TypeScript or JavaScript file, run by the Node that runs this. */
  | { readonly kind: 'node'; readonly file: string; readonly args: readonly string[] }
  /** Any other program. */
  | { readonly kind: 'native'; readonly command: string; readonly args: readonly string[] };

/**
 * Measured at 500 payments/s and 2,000 readings/s: the five services and the simulator take 1.3 GB with them and 2.3 GB
 * without, for a tenth more CPU. V8 lets its young generation grow to 100 MB before it cleans up, and glibc keeps an
 * arena of its own for each thread.
 */
const NODE_FLAGS = ['--max-semi-space-size=4'];
const NODE_ENVIRONMENT = {
  MALLOC_ARENA_MAX: '2',
  // Compiled code of the last run: 0.65 s of CPU to load a service instead of 1.1 s.
  NODE_COMPILE_CACHE: join(CACHE_DIR, 'compile'),
};

export interface Child {
  readonly pid: number | undefined;
  /** Resolves when the process has ended, to a phrase for people: 'exit code 1', 'signal SIGKILL', 'could not be run: ...'. */
  readonly exited: Promise<string>;
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

/**
 * Starts a part's process: in the process group of this one, its output appended to `logFile`, deaf to Ctrl-C (a
 * terminal sends SIGINT to the whole group, but parts are to stop in order), and bound to the life of this process: when
 * this one is killed, the child hears of it and ends.
 *
 * - A Node part is told by `MILLRACE_SUPERVISED=1` to ignore SIGINT, and by the IPC channel breaking that it is alone.
 * - Another program is run by `sh` with SIGINT ignored, which it inherits (the JVM does: it leaves an ignored signal
 *   alone), with a watcher beside it that reads a pipe from this process and sends SIGTERM when the pipe breaks.
 */
export function spawnChild(
  program: Program,
  options: { env: Readonly<Record<string, string>>; logFile: string; cwd: string },
): Child {
  putAsideLog(options.logFile);
  const log = openSync(options.logFile, 'a');
  try {
    const env = childEnvironment({ ...NODE_ENVIRONMENT, ...options.env, MILLRACE_SUPERVISED: '1' });
    const { cwd } = options;
    if (program.kind === 'node') {
      const args = [...NODE_FLAGS, program.file, ...program.args];
      return childOf(spawn(process.execPath, args, { cwd, env, stdio: ['ignore', log, log, 'ipc'] }));
    }
    const args = ['-c', BOUND_TO_PARENT, 'sh', program.command, ...program.args];
    return childOf(spawn('sh', args, { cwd, env, stdio: ['pipe', log, log] }));
  } finally {
    closeSync(log);
  }
}

// The watcher leaves by itself when it reads a line, which it gets when the program has ended on its own.
const BOUND_TO_PARENT = `trap "" INT
exec 3<&0
{ read -r line <&3 || kill -TERM $$; } 2>/dev/null &
exec "$@" </dev/null 3<&-`;

function childOf(child: ChildProcess): Child {
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`could not be run: ${error.message}`));
    child.once('exit', (code, signal) => {
      // The watcher may be gone already (it was killed with the group): then the line has no reader, which is fine.
      child.stdin?.once('error', () => child.stdin?.destroy());
      child.stdin?.end('ended\n');
      resolve(signal === null ? `exit code ${code}` : `signal ${signal}`);
    });
  });
  return {
    pid: child.pid,
    exited,
    kill(signal) {
      child.kill(signal);
    },
  };
}

function putAsideLog(logFile: string): void {
  const size = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_BYTES_MAX) renameSync(logFile, `${logFile}.1`);
}
