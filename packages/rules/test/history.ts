import type { EnrichedPayment } from '@millrace/contracts';
import {
  BUILT_IN_RULES,
  compileRules,
  decide,
  type FeatureValues,
  factsOf,
  type KnownLabels,
  type MerchantMemory,
  observeAtCustomer,
  observeAtMerchant,
  type TamperAlarms,
  type Verdict,
} from '../src/index.ts';
import { listWindow } from './window-list.ts';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
/** 2026-01-13T10:00:00Z, a Tuesday. */
export const START_MS = Date.UTC(2026, 0, 13, 10);

/** A payment of 20.00 EUR in shop m-1 in Lisbon, unless told otherwise. */
export function payment(
  fields: Partial<EnrichedPayment> & { readonly atMs?: number; readonly euros?: number } = {},
): EnrichedPayment {
  const { atMs = 0, euros = 20, ...others } = fields;
  return {
    transaction_id: `tx-${atMs}`,
    event_time: START_MS + atMs,
    customer_id: 'c-1',
    card_id: 'card-1',
    amount_minor: Math.round(euros * 100),
    currency: 'EUR',
    channel: 'pos',
    ...(others.payee_id === undefined ? { merchant_id: 'm-1' } : {}),
    ...others,
  };
}

export function transfer(fields: Parameters<typeof payment>[0] = {}): EnrichedPayment {
  return payment({ channel: 'transfer', payee_id: 'p-1', ...fields });
}

/** Both stages over lists, for payments in the order in which they are observed. */
export function createHistory(options: { readonly labels?: KnownLabels; readonly tamperAlarms?: TamperAlarms } = {}) {
  const windows = new Map<string, unknown>();
  const window = <F extends string>(kind: string, key: string | undefined) => {
    const name = `${kind}:${key}`;
    if (!windows.has(name)) windows.set(name, listWindow<F>());
    return windows.get(name) as ReturnType<typeof listWindow<F>>;
  };
  const known = <W>(key: string | undefined, create: () => W) => (key === undefined ? undefined : create());
  const rules = compileRules(BUILT_IN_RULES);

  function observe(event: EnrichedPayment): FeatureValues {
    const customer = observeAtCustomer(event, {
      card: window('card', event.card_id ?? event.customer_id),
      customer: window('customer', event.customer_id),
      labels: options.labels,
    });
    const memory: MerchantMemory = {
      merchant: known(event.merchant_id, () => window('merchant', event.merchant_id)),
      terminal: known(event.terminal_id, () => window('terminal', event.terminal_id)),
      payee: known(event.payee_id, () => window('payee', event.payee_id)),
      tamperAlarms: event.terminal_id === undefined ? undefined : options.tamperAlarms,
    };
    return { ...customer, ...observeAtMerchant(event, customer, memory) };
  }

  return {
    observe,
    decide: (event: EnrichedPayment): Verdict => decide(factsOf(event, observe(event)), rules),
    /** A life without surprises: `count` payments of 20.00 EUR in shop m-1, one every 2 hours, ending 2 hours before START_MS. */
    habits(count: number, fields: Parameters<typeof payment>[0] = {}) {
      for (let back = count; back > 0; back--) observe(payment({ atMs: -2 * back * HOUR_MS, ...fields }));
    },
  };
}

export const firedBy = ({ rules }: Verdict): string[] => rules.map(({ id }) => id);
