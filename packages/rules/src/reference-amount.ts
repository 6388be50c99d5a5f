/** Minor units of a currency (ISO 4217) that are about one euro: mid 2025, three digits. */
export const MINOR_UNITS_PER_EURO: Readonly<Record<string, number>> = {
  AED: 425,
  ARS: 150_000,
  AUD: 179,
  BGN: 196,
  BRL: 635,
  CAD: 160,
  CHF: 94,
  CLP: 1_100,
  CNY: 835,
  COP: 460_000,
  CZK: 2_480,
  DKK: 746,
  EGP: 5_700,
  EUR: 100,
  GBP: 86,
  HKD: 910,
  HUF: 40_000,
  IDR: 1_880_000,
  ILS: 390,
  INR: 9_900,
  ISK: 142,
  JPY: 170,
  KES: 15_000,
  KRW: 1_600,
  KWD: 355,
  MAD: 1_050,
  MXN: 2_170,
  MYR: 490,
  NGN: 178_000,
  NOK: 1_180,
  NZD: 194,
  PEN: 413,
  PHP: 6_600,
  PKR: 32_900,
  PLN: 425,
  RON: 507,
  RSD: 11_700,
  SAR: 436,
  SEK: 1_110,
  SGD: 150,
  THB: 3_780,
  TRY: 4_700,
  TWD: 3_400,
  UAH: 4_850,
  USD: 116,
  VND: 30_500,
  ZAR: 2_070,
};

/**
 * An amount in euro cents (an integer, so that running totals stay exact), at fixed reference rates. Rates are fixed so
 * that the same payment has the same features live and in a backtest; a habit or a threshold does not care about 10 %.
 * Undefined for a currency without a rate: features that need the amount are then absent.
 */
export function referenceCents(amountMinor: number, currency: string): number | undefined {
  const perEuro = Object.hasOwn(MINOR_UNITS_PER_EURO, currency) ? MINOR_UNITS_PER_EURO[currency] : undefined;
  return perEuro === undefined ? undefined : Math.round((amountMinor * 100) / perEuro);
}
