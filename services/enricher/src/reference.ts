import type { Device, KnownMerchant, KnownTerminal, Merchant } from '@millrace/contracts';

/** What a payment carries of its merchant. */
export function knownMerchant({ name, mcc, country, latitude, longitude }: Merchant): KnownMerchant {
  return withoutUndefined({ name, mcc, country, latitude, longitude });
}

/** What a payment carries of its terminal. */
export function knownTerminal(device: Device): KnownTerminal {
  const { kind, merchant_id, country, latitude, longitude, firmware } = device;
  return withoutUndefined({ kind, merchant_id, country, latitude, longitude, firmware });
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Defined<T>;
}
