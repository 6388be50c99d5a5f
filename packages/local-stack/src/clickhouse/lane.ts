import { ClickHouseException } from './exception.ts';

/** Runs so many at a time and lets so many wait, in order. */
export interface Lane {
  /** @throws ClickHouseException `TOO_MANY_SIMULTANEOUS_QUERIES` when the line is full */
  run<T>(work: () => Promise<T>): Promise<T>;
  readonly running: number;
  readonly waiting: number;
}

export function createLane(options: { name: string; runningMax: number; waitingMax: number }): Lane {
  const { name, runningMax, waitingMax } = options;
  const line: (() => void)[] = [];
  let running = 0;

  async function enter(): Promise<void> {
    if (running < runningMax) {
      running += 1;
      return;
    }
    if (line.length >= waitingMax) {
      throw new ClickHouseException(
        'TOO_MANY_SIMULTANEOUS_QUERIES',
        `Too many ${name}: ${running} are running and ${line.length} are waiting. Try again later.`,
      );
    }
    // The one that leaves hands its place over, so `running` does not change.
    await new Promise<void>((resolve) => line.push(resolve));
  }

  function leave(): void {
    const next = line.shift();
    if (next === undefined) running -= 1;
    else next();
  }

  return {
    async run(work) {
      await enter();
      try {
        return await work();
      } finally {
        leave();
      }
    },
    get running() {
      return running;
    },
    get waiting() {
      return line.length;
    },
  };
}
