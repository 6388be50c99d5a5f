import { createRandom, type Random } from '../random.ts';
import type { WireCustomerSource } from './events.ts';
import { type Category, type Market, type MerchantPlace, near } from './merchants.ts';
import { type City, DAY_MS } from './places.ts';

const SEGMENTS = [
  { name: 'student', monthlyCents: 90_000, spend: 0.6, share: 15 },
  { name: 'worker', monthlyCents: 260_000, spend: 1, share: 50 },
  { name: 'family', monthlyCents: 420_000, spend: 1.4, share: 20 },
  { name: 'retired', monthlyCents: 180_000, spend: 0.8, share: 15 },
] as const;

export interface Shopper {
  readonly index: number;
  readonly customerId: string;
  readonly accountId: string;
  readonly cardId: string;
  readonly phoneId: string;
  readonly ip: string;
  readonly segment: string;
  readonly home: City;
  readonly latitude: number;
  readonly longitude: number;
  /** Factor on what others spend. */
  readonly spend: number;
  readonly monthlyIncomeCents: number;
  readonly employerId: string;
  /** Day of the month on which the employer pays, 1 to 28. */
  readonly payday: number;
  /** Landlord, energy company, insurance: who gets money every month. */
  readonly knownPayees: readonly string[];
}

/** A stay in another city; on its first and last half day the traveller is on the way and pays online only. */
export interface Trip {
  readonly city: City;
  readonly inTransit: boolean;
}

const FAVOURITES_PER_CATEGORY = 3;
const TRIPS_PER_WEEK = 0.03;
const WEEK_MS = 7 * DAY_MS;
const TRANSIT_MS = 0.5 * DAY_MS;
/** Shoppers of one employer. */
const STAFF = 40;

/**
 * The people of a world. They are not kept: a shopper is made again from seed and index whenever needed (some
 * microseconds), so a world of a million people takes no more memory than one of a hundred.
 */
export function createShoppers(seed: number, count: number, market: Market) {
  return {
    count,

    at(index: number): Shopper {
      const random = createRandom(seed, 'shopper', index);
      const segment = SEGMENTS[random.weighted(SEGMENTS.map(({ share }) => share))] ?? SEGMENTS[1];
      const home = random.pick(market.cities);
      const number = String(index + 1).padStart(7, '0');
      const employer = Math.floor(index / STAFF);
      return {
        index,
        customerId: `cust-${number}`,
        accountId: `acct-${number}`,
        cardId: `card-${number}`,
        phoneId: `phone-${number}`,
        ip: homeAddress(index),
        segment: segment.name,
        home,
        latitude: near(home.latitude, random.uniform()),
        longitude: near(home.longitude, random.uniform()),
        spend: segment.spend * (0.7 + 0.6 * random.uniform()),
        monthlyIncomeCents: Math.round(segment.monthlyCents * (0.7 + 0.6 * random.uniform())),
        employerId: `corp-${String(employer + 1).padStart(6, '0')}`,
        payday: 1 + (employer % 28),
        knownPayees: ['rent', 'energy', 'insurance'].map((name) => `payee-${name}-${random.integer(1, 400)}`),
      };
    },

    /** The few shops of a kind that a shopper goes to most. */
    favourite(shopper: Shopper, category: Category, random: Random): MerchantPlace {
      const which = random.integer(1, FAVOURITES_PER_CATEGORY);
      return createRandom(seed, 'favourite', shopper.index, category.name, which).pick(
        market.sellers(shopper.home, category),
      );
    },

    /** Where the shopper is on a trip at that time, if on one. At most one trip a week, which ends in that week. */
    tripOf(shopper: Shopper, timeMs: number): Trip | undefined {
      const week = Math.floor(timeMs / WEEK_MS);
      const random = createRandom(seed, 'trip', shopper.index, week);
      if (!random.chance(TRIPS_PER_WEEK) || market.cities.length < 2) return undefined;
      const startMs = week * WEEK_MS + random.integer(0, 2) * DAY_MS;
      const endMs = startMs + random.integer(2, 4) * DAY_MS;
      const city = random.pick(market.cities.filter(({ name }) => name !== shopper.home.name));
      if (timeMs < startMs || timeMs >= endMs) return undefined;
      return { city, inTransit: timeMs < startMs + TRANSIT_MS || timeMs >= endMs - TRANSIT_MS };
    },
  };
}
export type Shoppers = ReturnType<typeof createShoppers>;

/**
 * What three sources know of a customer, in an order that differs from customer to customer: the one profile must not
 * depend on which speaks first. Two of them know the country; the newer one is right.
 */
export function customerRecords(shopper: Shopper, nowMs: number, random: Random): WireCustomerSource[] {
  const { customerId: customer_id, home } = shopper;
  const someTimeAgo = () => nowMs - random.integer(1, 30 * DAY_MS);
  return shuffle(
    [
      {
        customer_id,
        source: 'crm',
        updated_at: someTimeAgo(),
        segment: shopper.segment,
        home_city: home.name,
        home_country: home.country,
        phone_device_id: shopper.phoneId,
      },
      {
        customer_id,
        source: 'accounts',
        updated_at: someTimeAgo(),
        account_id: shopper.accountId,
        currency: home.currency,
        monthly_income: Math.round((shopper.monthlyIncomeCents / 100) * home.perEuro),
        account_age_days: random.integer(30, 5_000),
      },
      {
        customer_id,
        source: 'kyc',
        updated_at: someTimeAgo(),
        home_country: home.country,
        home_latitude: shopper.latitude,
        home_longitude: shopper.longitude,
        verified: random.chance(0.97),
        risk_class: random.chance(0.05) ? 'elevated' : 'normal',
      },
    ],
    random,
  );
}

/** Fisher and Yates, in place. */
function shuffle<T>(items: T[], random: Random): T[] {
  for (let last = items.length - 1; last > 0; last -= 1) {
    const [picked] = items.splice(random.integer(0, last), 1);
    if (picked !== undefined) items.push(picked);
  }
  return items;
}

/** 198.18.0.0/15 is set aside for tests of networks (RFC 2544), so it is nobody's address. */
function homeAddress(index: number): string {
  return `198.${18 + ((index >> 16) & 1)}.${(index >> 8) & 255}.${index & 255}`;
}
