import { createRandom } from '../random.ts';
import type { WireMerchant } from './events.ts';
import { CITIES, CITY_RADIUS_DEGREES, type City, type LocalTime } from './places.ts';

/** A kind of shop: what it sells for, when it is open, and how much people go there. */
export interface Category {
  readonly name: string;
  readonly mcc: string;
  readonly channel: 'pos' | 'ecom' | 'atm';
  /** A middling amount, in euro cents. */
  readonly typicalCents: number;
  /** First and last hour, local: `closes` is the hour in which nobody is served any more. */
  readonly opens: number;
  readonly closes: number;
  readonly closedOnSunday: boolean;
  /** How often people go there, against the others. Nobody but a traveller sleeps in a hotel. */
  readonly weight: number;
  readonly weekendFactor: number;
}

export const CATEGORIES = [
  shop('grocery', '5411', 3_400, 7, 21, 30, { closedOnSunday: true, weekendFactor: 1.5 }),
  shop('restaurant', '5812', 2_900, 11, 23, 14, { weekendFactor: 1.8 }),
  shop('cafe', '5814', 620, 6, 19, 18, {}),
  shop('fuel', '5541', 5_600, 0, 24, 8, {}),
  shop('pharmacy', '5912', 1_700, 8, 20, 5, { closedOnSunday: true }),
  shop('clothing', '5651', 6_100, 10, 20, 5, { closedOnSunday: true, weekendFactor: 2 }),
  shop('electronics', '5732', 21_000, 10, 20, 2, { closedOnSunday: true, weekendFactor: 1.5 }),
  shop('transit', '4111', 290, 5, 24, 14, { weekendFactor: 0.6 }),
  shop('hotel', '7011', 14_000, 0, 24, 0.2, {}),
  shop('cash', '6011', 8_000, 0, 24, 4, { channel: 'atm' }),
  shop('online', '5399', 4_400, 0, 24, 22, { channel: 'ecom' }),
  shop('streaming', '4899', 1_100, 0, 24, 4, { channel: 'ecom' }),
] as const satisfies readonly Category[];

export interface MerchantPlace {
  readonly merchantId: string;
  readonly name: string;
  readonly category: Category;
  /** An online shop is registered somewhere too, but sells everywhere. */
  readonly city: City;
  readonly latitude: number;
  readonly longitude: number;
  readonly terminalIds: readonly string[];
}

/** All merchants of a world, and where to find them. */
export interface Market {
  readonly cities: readonly City[];
  readonly merchants: readonly MerchantPlace[];
  /** Where one can buy this there: the city's own shops, or all online shops. Never empty. */
  sellers(city: City, category: Category): readonly MerchantPlace[];
}

/** With fewer merchants than this for a city, its shoppers would find some kinds of shop in no city. */
const MERCHANTS_PER_CITY_MIN = CATEGORIES.length;
const TERMINALS_PER_MERCHANT_MAX = 3;

export function createMarket(seed: number, merchantCount: number): Market {
  const cityCount = Math.max(1, Math.min(CITIES.length, Math.floor(merchantCount / MERCHANTS_PER_CITY_MIN)));
  const cities = CITIES.slice(0, cityCount);
  const merchants = Array.from({ length: merchantCount }, (_, index) => {
    // Category by category, city by city, so that every city has every kind before it has two of one.
    const category = at(CATEGORIES, index % CATEGORIES.length);
    return createMerchant(seed, index, category, at(cities, Math.floor(index / CATEGORIES.length) % cityCount));
  });

  const online = merchants.filter(({ category }) => category.channel === 'ecom');
  const byPlace = Map.groupBy(merchants, ({ city, category }) => `${city.name}/${category.name}`);
  return {
    cities,
    merchants,
    sellers(city, category) {
      const here = category.channel === 'ecom' ? online : byPlace.get(`${city.name}/${category.name}`);
      return here !== undefined && here.length > 0 ? here : merchants;
    },
  };
}

export function isOpen(category: Category, { hour, weekday }: LocalTime): boolean {
  return hour >= category.opens && hour < category.closes && !(category.closedOnSunday && weekday === 6);
}

export function merchantRecord(merchant: MerchantPlace, updatedAtMs: number): WireMerchant {
  const { merchantId, name, category, city } = merchant;
  return {
    merchant_id: merchantId,
    updated_at: updatedAtMs,
    name,
    mcc: category.mcc,
    country: city.country,
    latitude: merchant.latitude,
    longitude: merchant.longitude,
  };
}

function createMerchant(seed: number, index: number, category: Category, city: City): MerchantPlace {
  const random = createRandom(seed, 'merchant', index);
  const number = String(index + 1).padStart(5, '0');
  const terminals = category.channel === 'ecom' ? 0 : random.integer(1, TERMINALS_PER_MERCHANT_MAX);
  return {
    merchantId: `mer-${number}`,
    name: `${city.name} ${category.name} ${index + 1}`,
    category,
    city,
    latitude: near(city.latitude, random.uniform()),
    longitude: near(city.longitude, random.uniform()),
    terminalIds: Array.from({ length: terminals }, (_, terminal) => `term-${number}-${terminal + 1}`),
  };
}

/** Five decimals are a metre. */
export function near(centre: number, uniform: number): number {
  return Math.round((centre + (uniform * 2 - 1) * CITY_RADIUS_DEGREES) * 1e5) / 1e5;
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`no item ${index} in a list of ${list.length}`);
  return item;
}

function shop(
  name: string,
  mcc: string,
  typicalCents: number,
  opens: number,
  closes: number,
  weight: number,
  rest: Partial<Pick<Category, 'channel' | 'closedOnSunday' | 'weekendFactor'>>,
): Category {
  const usual = { channel: 'pos', closedOnSunday: false, weekendFactor: 1 } as const;
  return { name, mcc, typicalCents, opens, closes, weight, ...usual, ...rest };
}
