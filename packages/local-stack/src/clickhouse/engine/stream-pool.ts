import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ClickHouseException, parseException } from '../exception.ts';
import type { StreamAnswer, StreamCommand } from './stream-worker.ts';

export interface StreamRequest {
  /** Statements that bring the connection into the wanted state, ended by a semicolon. */
  readonly preamble: string;
  /** One SELECT. */
  readonly sql: string;
  readonly format: string;
}

/** A worker only passes on bytes that the engine allocates; V8's default would let it grow to dozens. */
const WORKER_YOUNG_MB = 4;

interface PoolWorker {
  readonly thread: Worker;
  readonly waiting: Map<number, (answer: StreamAnswer) => void>;
}

/**
 * Runs the engine's streaming queries in worker threads, because starting one is a synchronous call that analyses the
 * query, and a scalar subquery is run in the analysis: on the main thread it would hold up every other client.
 */
export class StreamPool {
  readonly #workers: readonly PoolWorker[];
  #lastId = 0;
  #isClosing = false;

  constructor(options: { dataDir: string; workers: number; onFatal: (error: Error) => void }) {
    const { dataDir, workers, onFatal } = options;
    this.#workers = Array.from({ length: workers }, () => {
      const thread = new Worker(new URL('./stream-worker.ts', import.meta.url), {
        workerData: { dataDir },
        resourceLimits: { maxYoungGenerationSizeMb: WORKER_YOUNG_MB },
      });
      const waiting: PoolWorker['waiting'] = new Map();
      thread.on('message', (answer: StreamAnswer) => waiting.get(answer.id)?.(answer));
      thread.on('error', onFatal);
      thread.on('exit', (code) => {
        if (!this.#isClosing) onFatal(new Error(`a stream worker has ended with exit code ${code}`));
      });
      return { thread, waiting };
    });
  }

  /**
   * The result in chunks, each a whole document of the format. A chunk is computed when it is asked for, so a reader that
   * is slow, or leaves the loop, stops the query.
   *
   * @throws ClickHouseException the engine's; from the first `next()` for what is wrong with the query itself
   */
  async *open(request: StreamRequest): AsyncGenerator<Buffer, void, undefined> {
    const worker = this.#leastBusy();
    this.#lastId += 1;
    const id = this.#lastId;
    let command: Exclude<StreamCommand, { kind: 'close' }> = { kind: 'open', id, ...request };
    let isOpen = true;
    try {
      while (true) {
        const answer = await ask(worker, command);
        if (answer.kind !== 'chunk') isOpen = false;
        if (answer.kind === 'end') return;
        if (answer.kind === 'error') throw parseException(answer.message);
        yield Buffer.from(answer.bytes.buffer, answer.bytes.byteOffset, answer.bytes.byteLength);
        command = { kind: 'next', id };
      }
    } finally {
      if (isOpen) worker.thread.postMessage({ kind: 'cancel', id } satisfies StreamCommand);
      worker.waiting.delete(id);
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    const exits = this.#workers.map(({ thread }) => once(thread, 'exit'));
    for (const { thread } of this.#workers) thread.postMessage({ kind: 'close' } satisfies StreamCommand);
    await Promise.all(exits);
  }

  #leastBusy(): PoolWorker {
    const [first, ...others] = this.#workers;
    if (first === undefined || this.#isClosing) {
      throw new ClickHouseException('SERVER_SHUTTING_DOWN', 'The server is shutting down');
    }
    return others.reduce((best, worker) => (worker.waiting.size < best.waiting.size ? worker : best), first);
  }
}

function ask(worker: PoolWorker, command: Exclude<StreamCommand, { kind: 'close' }>): Promise<StreamAnswer> {
  return new Promise((resolve) => {
    worker.waiting.set(command.id, resolve);
    worker.thread.postMessage(command);
  });
}
