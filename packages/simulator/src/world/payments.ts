import type { Random } from '../random.ts';
import { amountIn, spread } from './amounts.ts';
import type { WirePayment } from './events.ts';
import { CATEGORIES, type Category, isOpen, type Market, type MerchantPlace } from './merchants.ts';
import { type City, type LocalTime, localTime } from './places.ts';
import type { Shopper, Shoppers } from './shoppers.ts';

/** How awake people are, by local hour from 0 to 23, against the busiest hour. */
const AWAKE = [
  0.08, 0.04, 0.03, 0.02, 0.03, 0.1, 0.25, 0.5, 0.65, 0.6, 0.65, 0.8, 1, 0.9, 0.7, 0.7, 0.8, 1, 1, 0.9, 0.7, 0.5, 0.3,
  0.15,
];
/** Whoever is picked after this many sleepers pays anyway: somebody is always up late. */
const PICKS_MAX = 12;
const FAVOURITE_SHARE = 0.7;
const DECLINED_SHARE = 0.015;
const REVERSED_SHARE = 0.003;
/** Rent and bills are paid at the start of the month. */
const BILL_DAYS = 3;
const BILL_SHARE = 0.12;
const SALARY_SHARE = 0.15;
const SALARY_HOURS = { from: 6, to: 11 };

/** The part of a transfer that depends on who sends what to whom. */
type MoneySent = Required<Pick<WirePayment, 'customer_id' | 'account_id' | 'payee_id' | 'amount' | 'currency'>>;

export interface NormalLife {
  /** The payment that somebody makes at that time. */
  next(timeMs: number, transactionId: string): WirePayment;
}

/** What honest people do: shop where and when they live, pay their bills, get their salaries, travel now and then. */
export function createNormalLife(market: Market, shoppers: Shoppers, random: Random): NormalLife {
  /** Local day on which a shopper's salary was last paid, so that nobody is paid twice. */
  const paidOnDay = new Map<number, number>();

  function pickAwake(timeMs: number): { readonly shopper: Shopper; readonly local: LocalTime } {
    for (let picks = 1; ; picks += 1) {
      const shopper = shoppers.at(random.integer(0, shoppers.count - 1));
      const local = localTime(timeMs, shopper.home);
      if (picks === PICKS_MAX || random.chance(AWAKE[local.hour] ?? 1)) return { shopper, local };
    }
  }

  function salary({ shopper, local }: ReturnType<typeof pickAwake>): MoneySent | undefined {
    const inHours = local.hour >= SALARY_HOURS.from && local.hour <= SALARY_HOURS.to;
    if (local.dayOfMonth !== shopper.payday || !inHours || paidOnDay.get(shopper.index) === local.day) return undefined;
    if (!random.chance(SALARY_SHARE)) return undefined;
    paidOnDay.set(shopper.index, local.day);
    return {
      customer_id: shopper.employerId,
      account_id: `acct-${shopper.employerId}`,
      payee_id: shopper.accountId,
      ...amountIn(shopper.home, shopper.monthlyIncomeCents),
    };
  }

  function bill({ shopper, local }: ReturnType<typeof pickAwake>): MoneySent | undefined {
    if (local.dayOfMonth > BILL_DAYS || !random.chance(BILL_SHARE)) return undefined;
    const which = random.integer(0, shopper.knownPayees.length - 1);
    const share = which === 0 ? 0.3 : 0.03;
    return {
      ...transferFrom(shopper),
      payee_id: shopper.knownPayees[which] ?? '',
      ...amountIn(shopper.home, shopper.monthlyIncomeCents * share),
    };
  }

  return {
    next(timeMs, transactionId) {
      const person = pickAwake(timeMs);
      const transfer = salary(person) ?? bill(person);
      if (transfer !== undefined) {
        return {
          transaction_id: transactionId,
          event_time: timeMs,
          ...transfer,
          country: person.shopper.home.country,
          channel: 'transfer',
          status: 'authorised',
        };
      }
      const { shopper } = person;
      const trip = shoppers.tripOf(shopper, timeMs);
      const city = trip?.city ?? shopper.home;
      const category = pickCategory(localTime(timeMs, city), trip, random);
      const merchant =
        trip === undefined && random.chance(FAVOURITE_SHARE)
          ? shoppers.favourite(shopper, category, random)
          : random.pick(market.sellers(city, category));
      return purchase({
        transactionId,
        timeMs,
        shopper,
        merchant,
        cents: spread(merchant.category.typicalCents * shopper.spend, random),
        status: random.chance(DECLINED_SHARE) ? 'declined' : random.chance(REVERSED_SHARE) ? 'reversed' : 'authorised',
        random,
      });
    },
  };
}

export interface PurchaseOptions {
  readonly transactionId: string;
  readonly timeMs: number;
  readonly shopper: Shopper;
  readonly merchant: MerchantPlace;
  readonly cents: number;
  readonly status?: 'authorised' | 'declined' | 'reversed';
  /** Picks one of the merchant's terminals, when `terminalId` does not say which. */
  readonly random: Random;
  readonly terminalId?: string;
  /** Whose network and phone: the shopper's own unless a thief's are given. */
  readonly ip?: string;
  readonly phoneId?: string;
}

/** A card payment in a shop, at a cash machine or online, with the fields that such a payment has. */
export function purchase(options: PurchaseOptions): WirePayment {
  const { shopper, merchant, random } = options;
  const { channel } = merchant.category;
  const currencyOf: City = channel === 'ecom' ? shopper.home : merchant.city;
  const where =
    channel === 'ecom'
      ? { ip: options.ip ?? shopper.ip, device_id: options.phoneId ?? shopper.phoneId }
      : {
          terminal_id: options.terminalId ?? random.pick(merchant.terminalIds),
          latitude: merchant.latitude,
          longitude: merchant.longitude,
        };
  return {
    transaction_id: options.transactionId,
    event_time: options.timeMs,
    customer_id: shopper.customerId,
    card_id: shopper.cardId,
    merchant_id: merchant.merchantId,
    mcc: merchant.category.mcc,
    ...amountIn(currencyOf, options.cents),
    country: merchant.city.country,
    channel,
    status: options.status ?? 'authorised',
    ...where,
  };
}

export interface TransferOptions {
  readonly transactionId: string;
  readonly timeMs: number;
  readonly shopper: Shopper;
  readonly payeeId: string;
  readonly cents: number;
  readonly ip?: string;
  readonly phoneId?: string;
}

/** Money from the shopper's account to another account. */
export function transfer({ shopper, ...options }: TransferOptions): WirePayment {
  return {
    transaction_id: options.transactionId,
    event_time: options.timeMs,
    ...transferFrom(shopper),
    payee_id: options.payeeId,
    ...amountIn(shopper.home, options.cents),
    country: shopper.home.country,
    channel: 'transfer',
    status: 'authorised',
    ip: options.ip ?? shopper.ip,
    device_id: options.phoneId ?? shopper.phoneId,
  };
}

function transferFrom({ customerId, accountId }: Shopper) {
  return { customer_id: customerId, account_id: accountId };
}

function pickCategory(local: LocalTime, trip: { readonly inTransit: boolean } | undefined, random: Random): Category {
  const weekend = local.weekday >= 5;
  const weights = CATEGORIES.map((category) => {
    if (!isOpen(category, local) || (trip?.inTransit === true && category.channel !== 'ecom')) return 0;
    const weight = trip !== undefined && category.name === 'hotel' ? HOTEL_WEIGHT_ON_TRIP : category.weight;
    return weekend ? weight * category.weekendFactor : weight;
  });
  return CATEGORIES[random.weighted(weights)] ?? CATEGORIES[0];
}

const HOTEL_WEIGHT_ON_TRIP = 12;
