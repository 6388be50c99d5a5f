import type { TestContext } from 'node:test';

/** Numbers from 0 to 1 that the same `SEED` repeats; the seed is printed. */
export function seededRandom(t: TestContext): () => number {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`seed ${seed} (SEED=${seed} repeats it)`);
  let state = seed;
  return () => {
    // A linear congruential generator with the constants of Knuth and Lewis; its upper bits are good enough for dice.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const keyed = items.map((item) => ({ item, key: random() }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}
