import type { Platform } from '@millrace/test-platform';

export interface FuzzContext {
  readonly platform: Platform;
  readonly seed: number;
  readonly examples: number;
  /** Numbers from 0 to 1, from the seed and the name of the part. */
  readonly random: () => number;
  readonly say: (line: string) => void;
}

/** One way of treating the platform badly. */
export interface FuzzPart {
  readonly name: string;
  /** What it did, in a few words. Rejects when the platform did not bear it. */
  run(context: FuzzContext): Promise<string>;
}
