import { setTimeout as delay } from 'node:timers/promises';
import { LocalStackError } from '../error.ts';
import { type Child, type Program, spawnChild } from './child.ts';
import { lastLines } from './last-lines.ts';

export interface PartOptions {
  /** 'kafka', 'enricher', 'enricher-2'. */
  readonly name: string;
  readonly program: Program;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Where its output goes. */
  readonly logFile: string;
  /** Whether it does its work; asked until it says yes. */
  readonly isReady: () => Promise<boolean>;
  readonly timing?: Partial<PartTiming>;
  /** Told of every change that a person would want to know of. */
  readonly onEvent?: (event: PartEvent) => void;
}

export interface PartTiming {
  /** The first restart comes after this; each further one doubles it, up to the longest. */
  readonly restartMsMin: number;
  readonly restartMsMax: number;
  /** A part that lived this long before it died is restarted as if for the first time. */
  readonly healthyMs: number;
  readonly readyPollMs: number;
  /** How long the first start may take. */
  readonly startMsMax: number;
}

const TIMING: PartTiming = {
  restartMsMin: 250,
  restartMsMax: 10_000,
  healthyMs: 30_000,
  readyPollMs: 100,
  startMsMax: 120_000,
};
/** A part that ends this often before it was ever ready has a fault that a further attempt will not mend. */
const FIRST_START_ATTEMPTS_MAX = 3;
const LAST_LINES_SHOWN = 15;

export type PartEvent =
  | { readonly kind: 'ready'; readonly part: string; readonly tookMs: number }
  | { readonly kind: 'died'; readonly part: string; readonly reason: string; readonly restartInMs: number }
  | { readonly kind: 'stopped'; readonly part: string; readonly forced: boolean };

export type PartState = 'starting' | 'ready' | 'waiting to restart' | 'stopped';

/** One process that is kept running: started, restarted with backoff when it dies, and stopped for good by `stop`. */
export class Part {
  readonly name: string;
  readonly #options: PartOptions;
  readonly #timing: PartTiming;
  readonly #stopping = new AbortController();
  #state: PartState = 'stopped';
  #child: Child | undefined;
  #running: Promise<void> = Promise.resolve();
  #restarts = 0;

  constructor(options: PartOptions) {
    this.name = options.name;
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
  }

  get state(): PartState {
    return this.#state;
  }

  /** How often it was started again. */
  get restarts(): number {
    return this.#restarts;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Starts the process and resolves when it is ready for the first time; from then on it is kept running.
   *
   * @throws LocalStackError `part-failed` with the last lines of its log, when it ends again and again before it is ever
   *   ready; `start-timeout` when it takes too long
   */
  start(): Promise<void> {
    const first = Promise.withResolvers<void>();
    this.#running = this.#keepRunning(first);
    return first.promise;
  }

  /** Asks the process to end (SIGTERM), and makes it end (SIGKILL) after `graceMs`. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    if (this.#state === 'stopped') return;
    this.#stopping.abort();
    this.#child?.kill('SIGTERM');
    let forced = false;
    const timer = setTimeout(() => {
      forced = true;
      this.kill();
    }, graceMs);
    await this.#running;
    clearTimeout(timer);
    this.#options.onEvent?.({ kind: 'stopped', part: this.name, forced });
  }

  /** Ends the process at once. Unless `stop` was called before, it is restarted. */
  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  async #keepRunning(first: PromiseWithResolvers<void>): Promise<void> {
    const { signal } = this.#stopping;
    const startTimer = setTimeout(
      () => this.#giveUp(first, 'start-timeout', `is not ready after ${this.#timing.startMsMax / 1_000} s`),
      this.#timing.startMsMax,
    );
    let restartInMs: number | undefined;
    let everReady = false;
    for (let attempt = 1; !signal.aborted; attempt++) {
      const startedMs = performance.now();
      this.#state = 'starting';
      const child = spawnChild(this.#options.program, this.#options);
      this.#child = child;
      const ended = new AbortController();
      void this.#awaitReady(ended.signal).then((ready) => {
        if (!ready) return;
        everReady = true;
        clearTimeout(startTimer);
        this.#state = 'ready';
        first.resolve();
        this.#options.onEvent?.({ kind: 'ready', part: this.name, tookMs: performance.now() - startedMs });
      });
      const reason = await child.exited;
      ended.abort();
      if (signal.aborted) break;
      if (!everReady && attempt >= FIRST_START_ATTEMPTS_MAX) {
        this.#giveUp(first, 'part-failed', `ended before it was ready (${reason}), ${attempt} times`);
        break;
      }
      restartInMs = nextRestartMs(restartInMs, performance.now() - startedMs, this.#timing);
      this.#state = 'waiting to restart';
      this.#options.onEvent?.({ kind: 'died', part: this.name, reason, restartInMs });
      // Aborted by `stop`, which is no error here: the loop looks at the signal itself.
      await delay(restartInMs, undefined, { signal }).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
      this.#restarts += 1;
    }
    clearTimeout(startTimer);
    this.#state = 'stopped';
    this.#child = undefined;
    first.reject(new LocalStackError('part-failed', `${this.name} was stopped before it was ready`));
  }

  async #awaitReady(ended: AbortSignal): Promise<boolean> {
    while (!ended.aborted && !this.#stopping.signal.aborted) {
      if (await this.#options.isReady()) return !ended.aborted;
      await delay(this.#timing.readyPollMs);
    }
    return false;
  }

  #giveUp(first: PromiseWithResolvers<void>, code: 'part-failed' | 'start-timeout', what: string): void {
    const { logFile } = this.#options;
    const tail = lastLines(logFile, LAST_LINES_SHOWN);
    first.reject(new LocalStackError(code, `${this.name} ${what}. The last lines of its log, ${logFile}:\n${tail}`));
    this.#stopping.abort();
    this.kill();
  }
}

/** How long to wait before the next restart, given the wait before the last one and how long the process lived. */
export function nextRestartMs(lastMs: number | undefined, livedMs: number, timing: PartTiming = TIMING): number {
  if (lastMs === undefined || livedMs >= timing.healthyMs) return timing.restartMsMin;
  return Math.min(lastMs * 2, timing.restartMsMax);
}
