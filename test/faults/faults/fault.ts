import type { DrillPlatform } from '../platform.ts';
import type { Progress } from '../progress.ts';

/** What a fault acts on. */
export interface Scene {
  readonly platform: DrillPlatform;
  readonly progress: Progress;
  readonly random: () => number;
}

/** Something that goes wrong for a while. */
export interface Fault {
  readonly kind: 'kill' | 'freeze' | 'broker' | 'clickhouse' | 'connections';
  /** For the log: 'kafka is killed, back after 10 s'. */
  readonly says: string;
  /**
   * Makes it happen, and resolves when its cause is gone (what suffered from it may still be recovering).
   *
   * @throws {AssertionError} when it had no effect, or when something had to go on meanwhile and did not
   */
  inflict(scene: Scene): Promise<void>;
}

export function pick<T>(items: readonly T[], random: () => number): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

export function between(from: number, to: number, random: () => number): number {
  return Math.round(from + random() * (to - from));
}
