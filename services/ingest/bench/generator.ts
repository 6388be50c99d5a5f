import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromGenerator, LoadResult, LoadTask } from './load/task.ts';

export interface WindowHooks {
  readonly onBegin: () => void;
  readonly onEnd: () => void;
}

/** The load generator, a process of its own, the same one for all targets. */
export class Generator {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(runId: string, devices: number): Promise<Generator> {
    const file = fileURLToPath(new URL('load/main.ts', import.meta.url));
    const child = fork(file, [runId, String(devices)], { serialization: 'advanced' });
    await receive(child, (message) => message.type === 'ready' || undefined);
    return new Generator(child);
  }

  /** @throws Error when a connection breaks, or the target answers what it should not. */
  async run(task: LoadTask, { onBegin, onEnd }: WindowHooks): Promise<LoadResult> {
    this.#child.send(task);
    return receive(this.#child, (message) => {
      if (message.type === 'begin') onBegin();
      if (message.type === 'end') onEnd();
      return message.type === 'result' ? message.result : undefined;
    });
  }

  stop(): void {
    this.#child.kill();
  }
}

/** The first result that `take` gives. */
function receive<T>(child: ChildProcess, take: (message: FromGenerator) => T | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: FromGenerator) => {
      if (message.type === 'failed') {
        end();
        reject(new Error(`The load generator failed: ${message.reason}`));
        return;
      }
      const result = take(message);
      if (result === undefined) return;
      end();
      resolve(result);
    };
    const onExit = (code: number | null) => {
      end();
      reject(new Error(`The load generator ended with exit code ${code}.`));
    };
    const end = () => {
      child.off('message', onMessage);
      child.off('exit', onExit);
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
  });
}
