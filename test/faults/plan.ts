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
const ENDS = ['SIGTERM', 'SIGKILL'] as const;
/** Who keeps state, or a place in a group. */
const MEMBERS = ['enricher', 'fraud-detector', 'sink'] as const;

/** One round of each kind, in an order of chance: every service is killed, Kafka ends in both ways, and so on. */
export function shortPlan(random: () => number): Round[] {
  const faults = [
    ...SERVICES.map(killService),
    freezeService(pick(['enricher', 'fraud-detector'], random)),
    takeAway('kafka', 'SIGKILL', SHORT.brokerAwayMs),
    takeAway('kafka', 'SIGTERM', SHORT.brokerAwayMs),
    takeAway('clickhouse', pick(ENDS, random), SHORT.clickhouseAwayMs),
    cut(pick(LINKS, random)),
    stall('kafka', pick(['both', 'answers'], random)),
    slow(pick(LINKS, random)),
  ];
  return shuffled(faults, random).map((fault) => [fault]);
}

/**
 * As many rounds as asked for. Kinds of faults are dealt like cards, so that each comes about as often as any other;
 * what they hit, and how, is drawn by chance.
 */
export function longPlan(rounds: number, random: () => number): Round[] {
  let cards: (typeof KINDS)[number][] = [];
  function deal(): Fault {
    if (cards.length === 0) cards = shuffled(KINDS, random);
    const kind = cards.pop() ?? KINDS[0];
    return kind(random);
  }
  return Array.from({ length: rounds }, () => {
    const first = deal();
    if (random() >= PAIRS) return [first];
    // Two of the same kind could leave nobody to take over, or take away what is away.
    for (;;) {
      const second = deal();
      if (second.kind !== first.kind) return [first, second];
    }
  });
}

const KINDS = [
  (random) => killService(pick(SERVICES, random)),
  (random) => freezeService(pick(MEMBERS, random)),
  (random) => takeAway('kafka', pick(ENDS, random), LONG.brokerAwayMs),
  (random) => takeAway('clickhouse', pick(ENDS, random), LONG.clickhouseAwayMs),
  (random) => pick([cut, slow], random)(pick(LINKS, random)),
  (random) => stall(pick(LINKS, random), pick(['both', 'answers'], random)),
] as const satisfies readonly ((random: () => number) => Fault)[];
