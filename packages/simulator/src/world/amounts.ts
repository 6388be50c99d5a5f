import { currencyExponent, formatAmount } from '@millrace/contracts';
import type { Random } from '../random.ts';
import type { City } from './places.ts';

/** Euro cents in the city's currency, as the wire writes it: `1250` is `12.50` in Berlin and `2000` in Tokyo. */
export function amountIn(city: City, euroCents: number): { readonly amount: string; readonly currency: string } {
  const exponent = currencyExponent(city.currency) ?? 2;
  const minor = Math.max(1, Math.round((euroCents * city.perEuro * 10 ** exponent) / 100));
  return { amount: formatAmount(minor, exponent), currency: city.currency };
}

/** What people pay where `typicalCents` is usual: mostly 0.4 to 1.5 of it, now and then up to 3.4 times. */
export function spread(typicalCents: number, random: Random): number {
  const position = random.uniform();
  const skew = position * position * position * position;
  return typicalCents * (0.4 + position + 2 * skew * skew);
}
