import type { Label } from '@millrace/contracts';
import { DAY_MS } from './windows.ts';

/** What became known of a customer's payments: the newest label of each, newest first. */
export type KnownLabels = readonly KnownLabel[];
export interface KnownLabel {
  readonly transaction_id: string;
  readonly fraud: boolean;
  readonly labelled_at: number;
  readonly card_id?: string;
}

/** How long a confirmed fraud speaks against card and customer. */
export const FRAUD_MEMORY_MS = 180 * DAY_MS;
/** Labels remembered per customer; the oldest go first. */
const LABELS_PER_CUSTOMER_MAX = 50;

/** Adds a label. The newest label of a payment holds, whatever order they arrive in: an analyst may take one back. */
export function learnLabel(label: Label, known: KnownLabels = []): KnownLabels {
  const before = known.find(({ transaction_id }) => transaction_id === label.transaction_id);
  if (before !== undefined && before.labelled_at > label.labelled_at) return known;
  const { transaction_id, fraud, labelled_at } = label;
  const card_id = label.card_id ?? before?.card_id;
  const learnt = { transaction_id, fraud, labelled_at, ...(card_id === undefined ? {} : { card_id }) };
  return [...known.filter((other) => other !== before), learnt]
    .sort((a, b) => b.labelled_at - a.labelled_at)
    .slice(0, LABELS_PER_CUSTOMER_MAX);
}

/** Payments labelled as fraud that were known at a time: of the customer, or of one card. */
export function countFrauds(known: KnownLabels | undefined, atMs: number, cardId?: string): number {
  if (known === undefined) return 0;
  return known.filter(
    ({ fraud, labelled_at, card_id }) =>
      fraud &&
      labelled_at <= atMs &&
      labelled_at > atMs - FRAUD_MEMORY_MS &&
      (cardId === undefined || card_id === cardId),
  ).length;
}
