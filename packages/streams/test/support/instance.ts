import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const APP = fileURLToPath(new URL('instance-app.ts', import.meta.url));
/** Generous: a takeover alone takes a session timeout and a rebalance, and other tests share the machine. */
const WAIT_MS_MAX = 60_000;
const WAIT_MS = 20;

export interface InstanceOptions {
  readonly topology: 'count' | 'timely';
  readonly brokers: readonly string[];
  /** Before the names of application and topics. */
  readonly prefix: string;
  /** Before the names of the input topics, where several applications read the same. */
  readonly inputPrefix?: string;
  /** How long a record takes at least, in milliseconds: so that a test has time to do harm before all is done. */
  readonly recordMs?: number;
  /** Instances that keep each task warm beside the one that runs it. */
  readonly standbys?: number;
}

/** What an instance last said of itself. */
export interface Status {
  readonly ready: boolean;
  /** Tasks that the group has given it, and those of them that process. */
  readonly assigned: number;
  readonly running: number;
  /** How often it found out that another owns what it was about to commit. */
  readonly fenced: number;
  /** Records of changelogs that its tasks have read to restore their stores. */
  readonly restored: number;
  /** Tasks of others that it keeps warm. */
  readonly standbys: number;
}

/** One instance of an application, in a process of its own. */
export interface Instance {
  readonly process: ChildProcess;
  status(): Status;
  /** Waits until its status is so; fails when the process ends instead. */
  until(what: string, holds: (status: Status) => boolean): Promise<void>;
  /** Stands still in the middle of whatever it does (SIGSTOP), until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** Ends it as a power cut would (SIGKILL). */
  kill(): void;
  /** Asks it to end (SIGTERM); resolves with its exit code. */
  stop(): Promise<number | null>;
}

export function startInstance(options: InstanceOptions): Instance {
  const child = fork(APP, [JSON.stringify(options)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  let status: Status = { ready: false, assigned: 0, running: 0, fenced: 0, restored: 0, standbys: 0 };
  child.on('message', (message) => {
    status = message as Status;
  });
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  return {
    process: child,
    status: () => status,
    until: async (what, holds) => {
      const deadline = Date.now() + WAIT_MS_MAX;
      while (!holds(status)) {
        if (ended()) throw new Error(`${child.pid} ended (${child.exitCode ?? child.signalCode}) before: ${what}`);
        if (Date.now() > deadline) throw new Error(`in vain: ${what}; ${child.pid} is ${JSON.stringify(status)}`);
        await sleep(WAIT_MS);
      }
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    kill: () => void child.kill('SIGKILL'),
    stop: async () => {
      if (ended()) return child.exitCode;
      child.kill('SIGTERM');
      const [code] = (await once(child, 'exit')) as [number | null];
      return code;
    },
  };
}
