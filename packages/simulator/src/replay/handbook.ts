import { formatAmount } from '@millrace/contracts';
import { type FileKind, positionsOf, rfc3339, timeOf } from './rows.ts';

const COLUMNS = ['TRANSACTION_ID', 'TX_DATETIME', 'CUSTOMER_ID', 'TERMINAL_ID', 'TX_AMOUNT'] as const;
const FRAUD_COLUMN = 'TX_FRAUD';
const SCENARIOS: Readonly<Record<string, string>> = {
  1: 'amount over 220',
  2: 'compromised terminal',
  3: 'leaked card',
};
/** In the Handbook's tests a fraud is known after seven days. */
const LABEL_DELAY_MS = 7 * 86_400_000;

/**
 * The data of the Fraud Detection Handbook (Le Borgne, Siblini, Lebichot, Bontempi): card payments on terminals, in
 * euros. It knows no merchants and no cards; each terminal becomes a merchant's only one, each customer has one card.
 */
export function handbookPayments(columns: readonly string[]): FileKind | undefined {
  const at = positionsOf(columns, COLUMNS);
  if (at === undefined) return undefined;
  const fraudAt = columns.indexOf(FRAUD_COLUMN);
  const scenarioAt = columns.indexOf('TX_FRAUD_SCENARIO');
  return {
    kind: 'payments',
    name: 'Fraud Detection Handbook',
    read(row) {
      const [transaction, time, customer, terminal] = COLUMNS.map((name) => row[at[name]]?.trim() ?? '');
      if (!transaction || !time || !customer || !terminal) {
        const empty = COLUMNS.find((name) => (row[at[name]]?.trim() ?? '') === '');
        return { problem: `${empty}: is empty` };
      }
      const ids = {
        transaction_id: `fdh-${transaction}`,
        customer_id: `fdh-customer-${customer}`,
        card_id: `fdh-card-${customer}`,
        merchant_id: `fdh-merchant-${terminal}`,
        terminal_id: `fdh-terminal-${terminal}`,
      };
      const { transaction_id, ...parties } = ids;
      const event_time = rfc3339(time);
      const amount = amountOf(row[at.TX_AMOUNT]?.trim() ?? '');
      const payment = { transaction_id, event_time, ...parties, amount, currency: 'EUR', channel: 'pos' };
      const timeMs = timeOf(time);
      const common = { id: transaction_id, customerId: ids.customer_id, timeMs, json: JSON.stringify(payment) };
      if (row[fraudAt] !== '1' || timeMs === undefined) return common;
      const label = {
        ...ids,
        fraud: true,
        labelled_at: timeMs + LABEL_DELAY_MS,
        source: 'chargeback',
        reason: SCENARIOS[row[scenarioAt] ?? ''] ?? 'labelled as fraud',
        payment_time: timeMs,
      };
      return { ...common, labelJson: JSON.stringify(label) };
    },
  };
}

const CENTS = /^[0-9]+(?:\.[0-9]{1,2})?$/;
/** What adding up cents as doubles leaves: 87.10000000000001. A real third decimal differs by a thousand times more. */
const NOISE_MAX = 1e-6;

/** The amount as exact cents, if that is what it is; otherwise as it stands, for ingest to refuse. */
export function amountOf(text: string): string {
  if (CENTS.test(text)) return text;
  const cents = Math.round(Number(text) * 100);
  const isNoise = Number.isSafeInteger(cents) && cents >= 0 && Math.abs(Number(text) * 100 - cents) < NOISE_MAX;
  return text !== '' && isNoise ? formatAmount(cents, 2) : text;
}
