import { currencyExponent, type EnrichedPayment, type ProfileFields } from '@millrace/contracts';
import type { FeatureValues } from './features.ts';
import { referenceCents } from './reference-amount.ts';
import { DAY_MS, HOUR_MS, round } from './windows.ts';

const CONTACT_FIELDS = ['phone', 'email', 'address', 'phone_device_id'] as const;

/** What the payment says beside the customer's profile. `cents`: its amount in euro cents, when known. */
export function profileFeatures(payment: EnrichedPayment, cents: number | undefined): FeatureValues {
  const { profile, device_id, event_time } = payment;
  if (profile === undefined) return {};
  const features: FeatureValues = {};
  const phone = profile.phone_device_id?.value;
  if (phone !== undefined && device_id !== undefined) features.new_phone = phone === device_id ? 0 : 1;
  const incomeCents = monthlyIncomeCents(profile);
  if (incomeCents !== undefined && cents !== undefined) features.income_ratio = round(cents / incomeCents, 2);
  const changedMs = lastContactChangeMs(profile, event_time);
  if (changedMs !== undefined) features.profile_change_age_h = round((event_time - changedMs) / HOUR_MS, 1);
  return features;
}

function monthlyIncomeCents({ monthly_income, currency }: ProfileFields): number | undefined {
  if (typeof monthly_income?.value !== 'number' || typeof currency?.value !== 'string') return undefined;
  const exponent = currencyExponent(currency.value);
  if (exponent === undefined) return undefined;
  const cents = referenceCents(monthly_income.value * 10 ** exponent, currency.value);
  return cents !== undefined && cents > 0 ? cents : undefined;
}

/**
 * When a way to reach the customer was last changed. A contact that is as old as the rest of the profile belongs to a
 * new customer, not to a changed one; a day lies between the two.
 */
function lastContactChangeMs(profile: ProfileFields, atMs: number): number | undefined {
  let oldestMs = Number.POSITIVE_INFINITY;
  for (const name in profile) oldestMs = Math.min(oldestMs, profile[name]?.updated_at ?? oldestMs);
  const changes = CONTACT_FIELDS.map((name) => profile[name]?.updated_at ?? 0).filter((changedMs) => changedMs <= atMs);
  const newestMs = Math.max(0, ...changes);
  return newestMs - oldestMs < DAY_MS ? undefined : newestMs;
}
