import type { Alert, Decision, EnrichedPayment, FiredRule } from '@millrace/contracts';
import {
  behind,
  type Conditions,
  type Connection,
  equals,
  millis,
  type Page,
  present,
  read,
  type TimeRange,
  where,
  within,
} from './connection.ts';

export type StoredPayment = EnrichedPayment & { readonly ingested_at: number };

export interface PaymentFilter extends TimeRange {
  readonly customer_id?: string | undefined;
  readonly card_id?: string | undefined;
  readonly merchant_id?: string | undefined;
  readonly terminal_id?: string | undefined;
  readonly channel?: string | undefined;
}

export interface DecisionFilter extends TimeRange {
  readonly customer_id?: string | undefined;
  readonly card_id?: string | undefined;
  readonly merchant_id?: string | undefined;
  readonly terminal_id?: string | undefined;
  readonly decision?: string | undefined;
}

export interface AlertFilter extends TimeRange {
  readonly kind?: string | undefined;
  readonly decision?: string | undefined;
  readonly customer_id?: string | undefined;
  readonly device_id?: string | undefined;
  readonly merchant_id?: string | undefined;
}

/** Payments, newest event first; the range is of event time. */
export async function listPayments(
  connection: Connection,
  filter: PaymentFilter,
  page: Page,
): Promise<StoredPayment[]> {
  const { fromMs, untilMs, ...named } = filter;
  const conditions = equals({ ...named });
  within(conditions, 'event_time', { fromMs, untilMs });
  behind(conditions, 'event_time', 'transaction_id', page.after);
  const rows = await read<PaymentRow>(connection, newestEvents('payments', PAYMENT_COLUMNS, conditions), {
    ...conditions.params,
    limit: page.limit,
  });
  return rows.map(toPayment);
}

export async function findPayment(connection: Connection, transactionId: string): Promise<StoredPayment | undefined> {
  const sql = `SELECT ${PAYMENT_COLUMNS} FROM payments WHERE transaction_id = {transaction_id:String} LIMIT 1`;
  const [row] = await read<PaymentRow>(connection, sql, { transaction_id: transactionId });
  return row && toPayment(row);
}

/** Decisions, newest event first; the range is of event time. */
export async function listDecisions(connection: Connection, filter: DecisionFilter, page: Page): Promise<Decision[]> {
  const { fromMs, untilMs, ...named } = filter;
  const conditions = equals({ ...named });
  within(conditions, 'event_time', { fromMs, untilMs });
  behind(conditions, 'event_time', 'transaction_id', page.after);
  const rows = await read<DecisionRow>(connection, newestEvents('decisions', DECISION_COLUMNS, conditions), {
    ...conditions.params,
    limit: page.limit,
  });
  return rows.map(toDecision);
}

export async function findDecision(connection: Connection, transactionId: string): Promise<Decision | undefined> {
  const sql = `SELECT ${DECISION_COLUMNS} FROM decisions WHERE transaction_id = {transaction_id:String} LIMIT 1`;
  const [row] = await read<DecisionRow>(connection, sql, { transaction_id: transactionId });
  return row && toDecision(row);
}

/** Alerts, last raised first; the range is of the time at which they were raised. */
export async function listAlerts(connection: Connection, filter: AlertFilter, page: Page): Promise<Alert[]> {
  const { fromMs, untilMs, ...named } = filter;
  const conditions = equals({ ...named });
  within(conditions, 'raised_at', { fromMs, untilMs });
  behind(conditions, 'raised_at', 'alert_id', page.after);
  const sql = `SELECT ${ALERT_COLUMNS} FROM alerts ${where(conditions)} ORDER BY raised_at DESC, alert_id DESC LIMIT {limit:UInt32}`;
  const rows = await read<AlertRow>(connection, sql, { ...conditions.params, limit: page.limit });
  return rows.map(toAlert);
}

/** The tables are ordered by the hour first: named here too, ClickHouse reads backwards and stops at the limit. */
function newestEvents(table: 'payments' | 'decisions', columns: string, conditions: Conditions): string {
  return `SELECT ${columns} FROM ${table} ${where(conditions)}
    ORDER BY toStartOfHour(event_time) DESC, event_time DESC, transaction_id DESC LIMIT {limit:UInt32}`;
}

const PAYMENT_COLUMNS = `transaction_id, ${millis('event_time')}, customer_id, card_id, account_id, merchant_id, payee_id,
  terminal_id, mcc, amount_minor, currency, country, channel, status, latitude, longitude, ip, device_id, attributes,
  profile, merchant, terminal, duplicate_of, ${millis('ingested_at')}`;

const DECISION_COLUMNS = `transaction_id, ${millis('event_time')}, customer_id, card_id, merchant_id, payee_id, terminal_id,
  amount_minor, currency, decision, score, rules, features, late, input, rules_hash, ${millis('ingested_at')},
  ${millis('decided_at')}, trace_id`;

const ALERT_COLUMNS = `alert_id, kind, ${millis('event_time')}, customer_id, device_id, transaction_id, card_id, merchant_id,
  payee_id, terminal_id, amount_minor, currency, country, channel, decision, score, rules, summary, features, late,
  ${millis('ingested_at')}, ${millis('raised_at')}, trace_id`;

type RuleRow = Omit<FiredRule, 'values'> & { readonly values: string };
type PaymentRow = Omit<StoredPayment, 'attributes' | 'profile' | 'merchant' | 'terminal'> & {
  readonly attributes: string;
  readonly profile: string;
  readonly merchant: Record<string, unknown>;
  readonly terminal: Record<string, unknown>;
};
type DecisionRow = Omit<Decision, 'rules'> & { readonly rules: readonly RuleRow[] };
type AlertRow = Omit<Alert, 'rules'> & { readonly rules: readonly RuleRow[] };

function toPayment(row: PaymentRow): StoredPayment {
  const { attributes, profile, merchant, terminal, ...fields } = row;
  const payment = {
    ...present(fields),
    ...(attributes !== '' && { attributes: JSON.parse(attributes) }),
    ...(profile !== '' && { profile: JSON.parse(profile) }),
    ...nested('merchant', merchant),
    ...nested('terminal', terminal),
  };
  return payment as StoredPayment;
}

function nested(name: string, fields: Record<string, unknown>): Record<string, unknown> {
  const known = present(fields);
  return Object.keys(known).length === 0 ? {} : { [name]: known };
}

function toDecision({ rules, ...fields }: DecisionRow): Decision {
  return { ...present(fields), rules: rules.map(toRule) } as Decision;
}

function toAlert({ rules, ...fields }: AlertRow): Alert {
  return { ...present(fields), rules: rules.map(toRule) } as Alert;
}

function toRule({ values, ...rule }: RuleRow): FiredRule {
  return { ...rule, values: values === '' ? {} : JSON.parse(values) };
}
