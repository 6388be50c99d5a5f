import type { TestContext } from 'node:test';

/** Numbers from 0 to 1 that the same `SEED` repeats; the seed is printed. */
export function seededRandom(t: TestContext): () => number {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`seed ${seed} (SEED=${seed} repeats it)`);
  return randomOf(seed);
}

/** Numbers from 0 to 1 that the same seed repeats; neighbouring seeds have nothing in common. */
export function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    // Mulberry32 (Tommy Ettinger, public domain).
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const keyed = items.map((item) => ({ item, key: random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}
