import { type FileKind, rfc3339, timeOf } from './rows.ts';

const NEEDED = ['transaction_id', 'event_time', 'customer_id', 'amount', 'currency', 'channel'];
const COUNTERPARTIES = ['merchant_id', 'payee_id'];
const NUMBERS = new Set(['latitude', 'longitude']);

/**
 * A file whose columns have the names of a payment's fields. An empty cell is a field that is not there; columns that a
 * payment does not know become its attributes, as ingest does it with any unknown field.
 */
export function namedPayments(columns: readonly string[]): FileKind | undefined {
  const known = (name: string) => columns.includes(name);
  if (!NEEDED.every(known) || !COUNTERPARTIES.some(known)) return undefined;
  const idAt = columns.indexOf('transaction_id');
  const customerAt = columns.indexOf('customer_id');
  const timeAt = columns.indexOf('event_time');
  return {
    kind: 'payments',
    name: 'payments',
    read(row) {
      const id = row[idAt]?.trim() ?? '';
      const customerId = row[customerAt]?.trim() ?? '';
      if (id === '') return { problem: 'transaction_id: is empty' };
      if (customerId === '') return { problem: 'customer_id: is empty' };
      const cells = columns.flatMap((name, column) => {
        const text = row[column]?.trim() ?? '';
        return text === '' ? [] : [[name, cellOf(name, text)] as const];
      });
      return {
        id,
        customerId,
        timeMs: timeOf(row[timeAt]?.trim() ?? ''),
        json: JSON.stringify(Object.fromEntries(cells)),
      };
    },
  };
}

/** The wire wants places as numbers, and a time in milliseconds too; everything else is text. */
function cellOf(name: string, text: string): string | number {
  if (name === 'event_time') return /^[0-9]+$/.test(text) ? Number(text) : rfc3339(text);
  return NUMBERS.has(name) && Number.isFinite(Number(text)) ? Number(text) : text;
}
