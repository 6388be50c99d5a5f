import { AssertionError } from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomOf } from '@millrace/test-platform';
import type { Outcome } from './checks/check.ts';
import { between } from './faults/fault.ts';
import { type MemoryWatch, watchMemory } from './memory.ts';
import { longPlan, type Round, shortPlan } from './plan.ts';
import { type DrillPlatform, startDrillPlatform } from './platform.ts';
import { createProgress, type Progress } from './progress.ts';
import { type DrillTraffic, startTraffic } from './traffic.ts';
import { verify } from './verify.ts';

export interface DrillOptions {
  /** Of the long form; the short one has one round of each kind. */
  readonly rounds: number | undefined;
  readonly seed: number;
  /** Empty, of this drill alone. */
  readonly dataDir: string;
  readonly say: (line: string) => void;
}

export interface DrillResult {
  readonly ok: boolean;
  readonly seed: number;
  readonly rounds: readonly RoundResult[];
  readonly acknowledged: { readonly payments: number; readonly readings: number };
  readonly checks: readonly Outcome[];
  readonly rssMibPeaks: Readonly<Record<string, number>>;
}

export interface RoundResult {
  readonly faults: readonly string[];
  /** From the end of the fault until every process was ready and the senders got on. */
  readonly readyMs: number;
  /** From the end of the fault until everything acknowledged was stored. */
  readonly recoveredMs: number;
}

const LOAD = { paymentsPerSecond: 40, devices: 40 };
/** A shopper pays about this often in a drill of each form, well within what a window keeps. */
const SHOPPERS = { short: 250, long: 1_000 };
/** Bounds a failure only: a round recovers within seconds, on a busy machine within a minute. */
const RECOVERY_MS_MAX = 300_000;
/** Between rounds, so that a fault meets any phase of what goes on. */
const PAUSE_MS = { from: 500, to: 3_000 };
/** The second fault of a round comes this much after the first, at most. */
const STAGGER_MS_MAX = 8_000;

/** Starts a platform with traffic, goes through the rounds, and verifies what has come of it all. */
export async function drill(options: DrillOptions): Promise<DrillResult> {
  const { dataDir, rounds, seed, say } = options;
  const random = randomOf(seed);
  const plan = rounds === undefined ? shortPlan(random) : longPlan(rounds, random);
  say(`seed ${seed} (--seed ${seed} draws the same faults), ${plan.length} rounds; starting the platform`);
  const platform = await startDrillPlatform(dataDir, say);
  let traffic: DrillTraffic | undefined;
  let memory: MemoryWatch | undefined;
  try {
    memory = watchMemory(platform);
    const shoppers = rounds === undefined ? SHOPPERS.short : SHOPPERS.long;
    traffic = await startTraffic(platform, { ...LOAD, seed, shoppers });
    const progress = createProgress(platform, traffic);
    await progress.untilRecovered(RECOVERY_MS_MAX);
    say('everything is up, and payments are decided');

    const results: RoundResult[] = [];
    const broken = await runRounds(plan, { ...options, platform, traffic, progress, random, results });
    say('verifying');
    const checks = await verify({ platform, traffic, memory, progress, waitMsMax: RECOVERY_MS_MAX });
    const all = [{ check: 'every round recovers', compared: results.length, problems: broken }, ...checks];
    return {
      ok: all.every(({ problems }) => problems.length === 0),
      seed,
      rounds: results,
      acknowledged: traffic.acknowledged(),
      checks: all,
      rssMibPeaks: Object.fromEntries(memory.peaks),
    };
  } finally {
    memory?.stop();
    await traffic?.close();
    await platform.close();
  }
}

interface Running extends DrillOptions {
  readonly platform: DrillPlatform;
  readonly traffic: DrillTraffic;
  readonly progress: Progress;
  readonly random: () => number;
  readonly results: RoundResult[];
}

/** Returns what did not recover; the rounds end with the first that does not. */
async function runRounds(plan: readonly Round[], running: Running): Promise<string[]> {
  const { say, traffic, random, results } = running;
  for (const [index, round] of plan.entries()) {
    const name = `round ${index + 1}: ${round.map(({ says }) => says).join(', and ')}`;
    say(name);
    await sleep(between(PAUSE_MS.from, PAUSE_MS.to, random));
    try {
      results.push(await runRound(round, running));
    } catch (error) {
      if (!(error instanceof AssertionError)) throw error;
      return [`${name}: ${error.message}`];
    }
    if (traffic.failure() !== undefined) throw traffic.failure();
  }
  return [];
}

async function runRound(round: Round, running: Running): Promise<RoundResult> {
  const { say, progress, random } = running;
  const starts = round.map((_, place) => (place === 0 ? 0 : between(0, STAGGER_MS_MAX, random)));
  const inflicted = await Promise.allSettled(
    round.map(async (fault, place) => {
      await sleep(starts[place]);
      await fault.inflict(running);
    }),
  );
  // Not before all are over: a fault that is left running would go on in the next round.
  for (const outcome of inflicted) if (outcome.status === 'rejected') throw outcome.reason;
  const overMs = performance.now();
  const readyMs = Math.round((await progress.untilRecovered(RECOVERY_MS_MAX)) - overMs);
  const recoveredMs = Math.round(performance.now() - overMs);
  say(
    `    ready after ${(readyMs / 1_000).toFixed(1)} s, everything stored after ${(recoveredMs / 1_000).toFixed(1)} s`,
  );
  return { faults: round.map(({ says }) => says), readyMs, recoveredMs };
}
