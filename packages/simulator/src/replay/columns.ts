import { SimulatorError } from '../errors.ts';
import { handbookPayments } from './handbook.ts';
import { namedPayments } from './named-payments.ts';
import { type FileKind, positionsOf, timeOf } from './rows.ts';

/** The columns of the Numenta Anomaly Benchmark, and of many a logger: a time in UTC, and a number. */
const TELEMETRY_COLUMNS = ['timestamp', 'value'] as const;

/** @throws {SimulatorError} `usage`, with the columns that were found and those that are needed. */
export function recognise(path: string, columns: readonly string[]): FileKind {
  const kind = handbookPayments(columns) ?? namedPayments(columns) ?? telemetry(columns);
  if (kind !== undefined) return kind;
  const message = [
    `${path} has the columns ${columns.join(', ')}.`,
    'Known are: TRANSACTION_ID, TX_DATETIME, CUSTOMER_ID, TERMINAL_ID, TX_AMOUNT (payments of the Fraud Detection Handbook);',
    'transaction_id, event_time, customer_id, amount, currency, channel and merchant_id or payee_id, and any other field of a payment;',
    'timestamp, value (readings of one device).',
  ].join('\n');
  throw new SimulatorError('usage', message);
}

function telemetry(columns: readonly string[]): FileKind | undefined {
  const at = positionsOf(columns, TELEMETRY_COLUMNS);
  if (at === undefined) return undefined;
  return {
    kind: 'telemetry',
    read(row) {
      const timeMs = timeOf(row[at.timestamp] ?? '');
      const text = row[at.value] ?? '';
      const value = Number(text);
      if (timeMs === undefined) return { problem: 'timestamp: is no time' };
      if (text.trim() === '' || !Number.isFinite(value)) return { problem: 'value: is no number' };
      return { timeMs, value };
    },
  };
}
