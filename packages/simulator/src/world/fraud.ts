import type { Random } from '../random.ts';
import { spread } from './amounts.ts';
import type { Devices } from './devices.ts';
import type { Scenario, WirePayment } from './events.ts';
import { CATEGORIES, type Market } from './merchants.ts';
import { purchase, transfer } from './payments.ts';
import type { Shopper, Shoppers } from './shoppers.ts';

export type PaymentScenario = Exclude<Scenario, 'broken_sensor'>;

/** How often each story is told, and how many payments it has on average: the share of fraud is made from these. */
export const STORIES: Readonly<Record<PaymentScenario, { readonly weight: number; readonly paymentsMean: number }>> = {
  card_testing: { weight: 3, paymentsMean: 20 },
  stolen_card_abroad: { weight: 5, paymentsMean: 4.5 },
  account_takeover: { weight: 3, paymentsMean: 2 },
  compromised_terminal: { weight: 2, paymentsMean: 15 },
  structuring: { weight: 1, paymentsMean: 6.5 },
  mule_account: { weight: 1, paymentsMean: 12.5 },
};

/** Transfers of this much are reported to the authorities, so that is what structuring stays under. In euro cents. */
export const REPORTING_LIMIT_CENTS = 1_000_000;

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** 203.0.113.0/24 is for documentation (RFC 5737): nobody's address. */
const THIEF_NETWORK = '203.0.113.';
/** How many shoppers are asked whether they live where the story needs somebody. */
const SEARCHES_MAX = 200;

export interface FraudStories {
  /** All payments of one story that begins now, in order of event time; tampering with a terminal is done to `devices`. */
  tell(scenario: PaymentScenario, startMs: number, nextId: () => string): readonly WirePayment[];
}

/** What thieves do. Each story is a known pattern, told with amounts, times and places of its own each time. */
export function createFraudStories(market: Market, shoppers: Shoppers, devices: Devices, random: Random): FraudStories {
  const anybody = () => shoppers.at(random.integer(0, shoppers.count - 1));
  const thief = () => ({
    ip: THIEF_NETWORK + random.integer(1, 254),
    phoneId: `phone-x${random.integer(0x10_0000, 0xff_ffff).toString(16)}`,
  });
  const cents = (from: number, to: number) => random.integer(from * 100, to * 100);
  const category = (name: (typeof CATEGORIES)[number]['name']) =>
    CATEGORIES.find((candidate) => candidate.name === name) ?? CATEGORIES[0];

  function resident(city: string): Shopper {
    let shopper = anybody();
    for (let searches = 1; shopper.home.name !== city && searches < SEARCHES_MAX; searches += 1) shopper = anybody();
    return shopper;
  }

  const stories: Record<PaymentScenario, (timeMs: number, nextId: () => string) => WirePayment[]> = {
    // Many small payments in one online shop, most of them declined, until one that works is followed by a large one.
    card_testing(startMs, nextId) {
      const shopper = anybody();
      const merchant = random.pick(market.sellers(shopper.home, category('online')));
      const common = { shopper, merchant, random, ...thief() };
      let timeMs = startMs;
      const tests = Array.from({ length: random.integer(14, 24) }, () => {
        timeMs += random.integer(2, 9) * SECOND_MS;
        const status = random.chance(0.65) ? 'declined' : 'authorised';
        return purchase({ ...common, transactionId: nextId(), timeMs, cents: cents(0.5, 3), status });
      });
      timeMs += random.integer(1, 4) * MINUTE_MS;
      return [...tests, purchase({ ...common, transactionId: nextId(), timeMs, cents: cents(400, 1_500) })];
    },

    // The card is used at home, and shortly after in shops of another country.
    stolen_card_abroad(startMs, nextId) {
      const shopper = anybody();
      const abroad = market.cities.filter(({ country }) => country !== shopper.home.country);
      const city = abroad.length > 0 ? random.pick(abroad) : shopper.home;
      const atHome = purchase({
        transactionId: nextId(),
        timeMs: startMs,
        shopper,
        merchant: shoppers.favourite(shopper, category('grocery'), random),
        cents: spread(3_000, random),
        random,
      });
      let timeMs = startMs + random.integer(20, 60) * MINUTE_MS;
      const stolen = Array.from({ length: random.integer(3, 6) }, (_, index) => {
        timeMs += random.integer(2, 8) * MINUTE_MS;
        const where = index === 0 ? 'cash' : random.pick(['electronics', 'clothing', 'electronics', 'cash'] as const);
        const merchant = random.pick(market.sellers(city, category(where)));
        return purchase({ transactionId: nextId(), timeMs, shopper, merchant, cents: cents(150, 1_200), random });
      });
      return [atHome, ...stolen];
    },

    // From a phone never seen, most of the balance goes to somebody who never got money from this customer.
    account_takeover(startMs, nextId) {
      const shopper = anybody();
      const stranger = { ...thief(), payeeId: `acct-x${random.integer(0x10_0000, 0xff_ffff).toString(16)}` };
      let timeMs = startMs;
      return Array.from({ length: random.integer(1, 3) }, () => {
        timeMs += random.integer(1, 5) * MINUTE_MS;
        const share = 0.6 + 0.8 * random.uniform();
        return transfer({
          transactionId: nextId(),
          timeMs,
          shopper,
          cents: shopper.monthlyIncomeCents * share,
          ...stranger,
        });
      });
    },

    // Somebody opens a terminal, which reports it; from a few minutes later on cards are misused at that terminal.
    compromised_terminal(startMs, nextId) {
      if (devices.terminals.length === 0) return [];
      const { deviceId, merchant } = random.pick(devices.terminals);
      devices.tamper(deviceId, startMs + random.integer(1, 3) * MINUTE_MS);
      let timeMs = startMs + random.integer(3, 6) * MINUTE_MS;
      return Array.from({ length: random.integer(10, 20) }, () => {
        timeMs += random.integer(20, 150) * SECOND_MS;
        const amount = merchant.category.typicalCents * (1.5 + 3 * random.uniform());
        const shopper = resident(merchant.city.name);
        return purchase({
          transactionId: nextId(),
          timeMs,
          shopper,
          merchant,
          terminalId: deviceId,
          cents: amount,
          random,
        });
      });
    },

    // Transfers that each stay just under the limit, to two or three accounts, over hours.
    structuring(startMs, nextId) {
      const shopper = anybody();
      const payees = Array.from({ length: random.integer(2, 3) }, () => `acct-s${random.integer(10_000, 99_999)}`);
      let timeMs = startMs;
      return Array.from({ length: random.integer(5, 8) }, () => {
        timeMs += random.integer(10, 40) * MINUTE_MS;
        const amount = REPORTING_LIMIT_CENTS * (0.9 + 0.095 * random.uniform());
        return transfer({ transactionId: nextId(), timeMs, shopper, payeeId: random.pick(payees), cents: amount });
      });
    },

    // Many who were deceived pay into one account within an hour, whose owner passes the money on at once.
    mule_account(startMs, nextId) {
      const mule = anybody();
      let timeMs = startMs;
      let collectedCents = 0;
      const incoming = Array.from({ length: random.integer(8, 14) }, () => {
        timeMs += random.integer(1, 6) * MINUTE_MS;
        const amount = cents(300, 1_800);
        collectedCents += amount;
        return transfer({
          transactionId: nextId(),
          timeMs,
          shopper: anybody(),
          payeeId: mule.accountId,
          cents: amount,
        });
      });
      timeMs += random.integer(2, 10) * MINUTE_MS;
      const payeeId = `acct-y${random.integer(0x10_0000, 0xff_ffff).toString(16)}`;
      const onward = transfer({ transactionId: nextId(), timeMs, shopper: mule, payeeId, cents: collectedCents * 0.9 });
      return [...incoming, onward];
    },
  };

  return { tell: (scenario, startMs, nextId) => stories[scenario](startMs, nextId) };
}

/** No story lasts longer than this. */
export const STORY_MS_MAX = 6 * HOUR_MS;

/** Payments of a story on average, all stories taken as often as they are told. */
export function paymentsPerStory(): number {
  const stories = Object.values(STORIES);
  const weights = stories.reduce((sum, { weight }) => sum + weight, 0);
  return stories.reduce((sum, { weight, paymentsMean }) => sum + weight * paymentsMean, 0) / weights;
}
