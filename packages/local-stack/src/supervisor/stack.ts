import { setTimeout as delay } from 'node:timers/promises';
import { Part, type PartEvent, type PartOptions } from './part.ts';

/** All parts are gone within this time of the first Ctrl-C. */
export const STOP_MS_MAX = 9_500;
/** What each later step of a stop keeps for itself when an earlier one takes long. */
const STOP_STEP_MS_MIN = 1_000;
/** Between the end of what comes in and the end of those who work on it: a few commit intervals. */
const DRAIN_MS = 500;

/** From the source to the stores: nobody loses the one it writes to before it has finished. */
const STOP_ORDER: readonly (readonly string[])[] = [
  ['traffic'],
  ['ingest'],
  ['enricher'],
  ['fraud-detector'],
  ['sink', 'api'],
  ['clickhouse', 'kafka'],
];

/**
 * All parts of a run: those that store start first, then those that work, then the traffic; they stop the other way
 * round.
 */
export class Stack {
  readonly #parts: Part[] = [];
  readonly #onEvent: (event: PartEvent) => void;
  #stopping: Promise<void> | undefined;

  constructor(onEvent: (event: PartEvent) => void) {
    this.#onEvent = onEvent;
  }

  /** Starts parts together and resolves when all are ready. @throws LocalStackError of the first that fails */
  async start(options: readonly PartOptions[]): Promise<void> {
    if (this.#stopping !== undefined) return;
    const parts = options.map((part) => new Part({ ...part, onEvent: this.#onEvent }));
    this.#parts.push(...parts);
    await Promise.all(parts.map((part) => part.start()));
  }

  get parts(): readonly Part[] {
    return this.#parts;
  }

  /** Stops everything in order, within `STOP_MS_MAX`. Asking again gives the same stop. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopInOrder();
    return this.#stopping;
  }

  /** Ends every process at once. */
  kill(): void {
    for (const part of this.#parts) {
      void part.stop(0);
      part.kill();
    }
  }

  async #stopInOrder(): Promise<void> {
    const deadlineMs = performance.now() + STOP_MS_MAX;
    for (const [step, names] of STOP_ORDER.entries()) {
      const parts = this.#parts.filter((part) =>
        names.some((name) => part.name === name || part.name.startsWith(`${name}-`)),
      );
      const keptMs = (STOP_ORDER.length - 1 - step) * STOP_STEP_MS_MIN;
      const graceMs = Math.max(STOP_STEP_MS_MIN, deadlineMs - performance.now() - keptMs);
      await Promise.all(parts.map((part) => part.stop(graceMs)));
      if (names.includes('ingest') && parts.length > 0) await delay(DRAIN_MS);
    }
  }
}
