import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** Numbers that only depend on a seed. Every method advances the same stream. */
export interface Random {
  /** In [0, 1), 53 bits. */
  uniform(): number;
  /** From `from` to `to`, both included. */
  integer(from: number, to: number): number;
  chance(probability: number): boolean;
  pick<T>(choices: readonly T[]): T;
  /** An index into `weights`, each as likely as its weight; the weights need not add up to anything. */
  weighted(weights: readonly number[]): number;
  /** Approximately normal: the sum of twelve uniform numbers, so within 6 deviations. */
  normal(mean: number, deviation: number): number;
}

/**
 * A stream of its own for everything that has a name: `createRandom(7, 'shopper', 12)` is the same stream wherever and
 * whenever it is made, so nothing has to be kept that can be made again.
 *
 * Only additions and multiplications of doubles are used, no logarithms or sines: those may differ in the last bit from
 * one machine to another, and the same seed has to give the same bytes everywhere.
 */
export function createRandom(seed: number, ...path: readonly (string | number)[]): Random {
  const state = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344].map((salt) => hashPath(mix(salt, seed), path));
  const generator = xoroshiro128plusFromState(state);

  const uniform = () => (generator.next() >>> 5) * 2 ** -27 + (generator.next() >>> 6) * 2 ** -53;
  return {
    uniform,
    integer: (from, to) => from + Math.floor(uniform() * (to - from + 1)),
    chance: (probability) => uniform() < probability,
    pick(choices) {
      const choice = choices[Math.floor(uniform() * choices.length)];
      if (choice === undefined) throw new RangeError('pick from an empty list');
      return choice;
    },
    weighted(weights) {
      let rest = uniform() * weights.reduce((sum, weight) => sum + weight, 0);
      const index = weights.findIndex((weight) => {
        rest -= weight;
        return rest < 0;
      });
      // Rounding may leave a rest of zero behind the last weight.
      return index === -1 ? weights.length - 1 : index;
    },
    normal(mean, deviation) {
      let sum = -6;
      for (let term = 0; term < 12; term += 1) sum += uniform();
      return mean + sum * deviation;
    },
  };
}

function hashPath(start: number, path: readonly (string | number)[]): number {
  let hash = start;
  for (const part of path) {
    if (typeof part === 'number') {
      hash = mix(hash, part % 0x1_0000_0000);
      hash = mix(hash, Math.floor(part / 0x1_0000_0000));
    } else {
      for (let index = 0; index < part.length; index += 1) hash = mix(hash, part.charCodeAt(index));
    }
  }
  return hash;
}

/** One step and the finaliser of MurmurHash3 (Appleby, public domain): every input bit reaches every output bit. */
function mix(hash: number, value: number): number {
  let mixed = Math.imul(hash ^ value, 0xcc9e2d51) + 0xe6546b64;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) | 0;
}
