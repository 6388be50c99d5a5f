import { SERVICES, shuffled } from '@millrace/test-platform';
import { cut, slow, stall } from './faults/connections.ts';
import { type Fault, pick } from './faults/fault.ts';
import { freezeService, killService } from './faults/processes.ts';
import { takeAway } from './faults/stores.ts';
import { LINKS } from './platform.ts';

/** A round: one fault, or two that meet. */
export type Round = readonly Fault[];

const SHORT = { brokerAwayMs: 10_000, clickhouseAwayMs: 20_000 };
/** A minute without a store is what a restart of a machine takes. */
const LONG = { brokerAwayMs: 60_000, clickhouseAwayMs: 60_000 };
/** Share of the rounds of the long form in which two faults meet. */
const PAIRS = 0.4;
/** Who keeps state, or a place in a group. */
const MEMBERS = ['enricher', 'fraud-detector', 'sink'] as const;

/** One round of each kind, in an order of chance: every service is killed, Kafka ends in both ways, and so on. */
export function shortPlan(random: () => number): Round[] {
  const faults = [
    ...SERVICES.map(killService),
    freezeService(pick(['enricher', 'fraud-detector'], random)),
    takeAway('kafka', 'SIGKILL', SHORT.brokerAwayMs),
    takeAway('kafka', 'SIGTERM', SHORT.brokerAwayMs),
    takeAway('clickhouse', pick(['SIGTERM', 'SIGKILL'], random), SHORT.clickhouseAwayMs),
    cut(pick(LINKS, random)),
    stall('kafka', pick(['both', 'answers'], random)),
    slow(pick(LINKS, random)),
  ];
  return shuffled(faults, random).map((fault) => [fault]);
}

/** As many rounds as asked for, each of faults drawn by chance. */
export function longPlan(rounds: number, random: () => number): Round[] {
  return Array.from({ length: rounds }, () => {
    const first = anyFault(random);
    if (random() >= PAIRS) return [first];
    // Two of the same kind could leave nobody to take over, or take away what is away.
    for (;;) {
      const second = anyFault(random);
      if (second.kind !== first.kind) return [first, second];
    }
  });
}

function anyFault(random: () => number): Fault {
  const draw = pick(
    [
      () => killService(pick(SERVICES, random)),
      () => freezeService(pick(MEMBERS, random)),
      () => takeAway('kafka', pick(['SIGTERM', 'SIGKILL'], random), LONG.brokerAwayMs),
      () => takeAway('clickhouse', pick(['SIGTERM', 'SIGKILL'], random), LONG.clickhouseAwayMs),
      () => pick([cut, slow], random)(pick(LINKS, random)),
      () => stall(pick(LINKS, random), pick(['both', 'answers'], random)),
    ],
    random,
  );
  return draw();
}
