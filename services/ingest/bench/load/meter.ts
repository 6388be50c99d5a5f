import type { LoadResult, LoadTask } from './task.ts';

/** What all forms of load count: numbers given out, acknowledgements, and, in the measured window, latencies. */
export class Meter {
  readonly #task: LoadTask;
  #next: number;
  #acknowledged = new Uint8Array(1 << 16);
  #measuring = false;
  #events = 0;
  #refused = 0;
  #latencies: number[] = [];
  #startedMs = 0;
  #cpu: NodeJS.CpuUsage | undefined;
  #seconds = 0;
  #cpuUs = 0;

  constructor(task: LoadTask) {
    this.#task = task;
    this.#next = task.firstNumber;
  }

  /** The first of so many numbers that nobody else has. */
  take(count: number): number {
    const first = this.#next;
    this.#next += count;
    return first;
  }

  acknowledged(first: number, count: number, latencyMs: number): void {
    const from = first - this.#task.firstNumber;
    const to = from + count;
    while (to > this.#acknowledged.length * 8) {
      const larger = new Uint8Array(this.#acknowledged.length * 2);
      larger.set(this.#acknowledged);
      this.#acknowledged = larger;
    }
    for (let n = from; n < to; n += 1) {
      const byte = n >> 3;
      this.#acknowledged[byte] = (this.#acknowledged[byte] ?? 0) | (1 << (n & 7));
    }
    if (!this.#measuring) return;
    this.#events += count;
    this.#latencies.push(latencyMs);
  }

  refused(): void {
    this.#refused += 1;
  }

  begin(): void {
    this.#measuring = true;
    this.#startedMs = performance.now();
    this.#cpu = process.cpuUsage();
  }

  end(): void {
    this.#measuring = false;
    this.#seconds = (performance.now() - this.#startedMs) / 1_000;
    const { user, system } = process.cpuUsage(this.#cpu);
    this.#cpuUs = user + system;
  }

  result(): LoadResult {
    const sorted = Float64Array.from(this.#latencies).sort();
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return {
      events: this.#events,
      seconds: this.#seconds,
      refused: this.#refused,
      latencyMs: { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0 },
      cpuUs: this.#cpuUs,
      acknowledged: this.#acknowledged.subarray(0, Math.ceil((this.#next - this.#task.firstNumber) / 8)),
      endNumber: this.#next,
    };
  }
}

/**
 * Calls `due` for every time at which `perSecond` would have something sent, until the result is called. A timer is a
 * millisecond late or more, and what came due meanwhile is sent together; its times are those of the plan.
 */
export function pace(perSecond: number, due: (dueMs: number) => void): () => void {
  const intervalMs = 1_000 / perSecond;
  let nextMs = performance.now();
  let timer = setTimeout(tick, 0);
  function tick(): void {
    for (const nowMs = performance.now(); nextMs <= nowMs; nextMs += intervalMs) due(nextMs);
    timer = setTimeout(tick, 1);
  }
  return () => clearTimeout(timer);
}
