import { ClickHouseException } from './exception.ts';

/** Runs so many at a time and lets so many wait, in order. */
export interface Lane {
  /** @throws ClickHouseException `TOO_MANY_SIMULTANEOUS_QUERIES` when the line is full */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Refuses those that wait, and every later one, with `SERVER_SHUTTING_DOWN`. */
  close(): void;
  readonly running: number;
  readonly waiting: number;
}

interface Place {
  take(): void;
  refuse(error: ClickHouseException): void;
}

export function createLane(options: { name: string; runningMax: number; waitingMax: number }): Lane {
  const { name, runningMax, waitingMax } = options;
  const line: Place[] = [];
  let running = 0;
  let isClosed = false;

  async function enter(): Promise<void> {
    if (isClosed) throw shuttingDown();
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
    await new Promise<void>((take, refuse) => line.push({ take, refuse }));
  }

  function leave(): void {
    const next = line.shift();
    if (next === undefined) running -= 1;
    else next.take();
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
    close() {
      isClosed = true;
      for (const place of line.splice(0)) place.refuse(shuttingDown());
    },
    get running() {
      return running;
    },
    get waiting() {
      return line.length;
    },
  };
}

function shuttingDown(): ClickHouseException {
  return new ClickHouseException('SERVER_SHUTTING_DOWN', 'The server is shutting down');
}
