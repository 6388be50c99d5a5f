import type { Sample } from './prometheus-text.ts';

/**
 * Adds up counters of several processes over their restarts. A counter that is smaller than it was belongs to a new
 * process, and all of it is new (as Prometheus's `increase` has it).
 */
export class Totals {
  readonly #last = new Map<string, number>();
  readonly #sums = new Map<string, number>();

  /** Takes in one scrape of one process; `add` says under which name a sample counts, or undefined to pass it over. */
  take(source: string, samples: readonly Sample[], nameOf: (sample: Sample) => string | undefined): void {
    for (const sample of samples) {
      const name = nameOf(sample);
      if (name === undefined) continue;
      const series = `${source} ${sample.name} ${JSON.stringify(sample.labels)}`;
      const last = this.#last.get(series) ?? 0;
      const increase = sample.value >= last ? sample.value - last : sample.value;
      this.#last.set(series, sample.value);
      this.#sums.set(name, this.get(name) + increase);
    }
  }

  get(name: string): number {
    return this.#sums.get(name) ?? 0;
  }

  /** All sums as they are now. */
  snapshot(): ReadonlyMap<string, number> {
    return new Map(this.#sums);
  }
}

/**
 * A quantile of a histogram from the counts of its buckets, interpolated within the bucket as Prometheus's
 * `histogram_quantile` does; undefined when nothing was counted.
 *
 * @param buckets cumulative counts by upper bound, in any order, the last bound being infinite
 */
export function histogramQuantile(quantile: number, buckets: ReadonlyMap<number, number>): number | undefined {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const total = sorted.at(-1)?.[1] ?? 0;
  if (total <= 0) return undefined;
  const rank = quantile * total;
  let lowerBound = 0;
  let below = 0;
  for (const [bound, count] of sorted) {
    if (count >= rank) {
      if (bound === Number.POSITIVE_INFINITY) return lowerBound;
      return lowerBound + ((bound - lowerBound) * (rank - below)) / (count - below);
    }
    lowerBound = bound;
    below = count;
  }
  return lowerBound;
}
