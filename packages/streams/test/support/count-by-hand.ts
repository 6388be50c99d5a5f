import type { InRecord } from '@millrace/kafka';
import { type Entry, MINUTE_MS, type Running } from './count-topology.ts';

/** What the counting topology must say: accounts are independent, each keeps the order of the input. */
export function countByHand(entries: readonly Entry[]): Running[] {
  const seen = new Map<string, Entry[]>();
  return entries.map((entry) => {
    const before = seen.get(entry.account) ?? [];
    before.push(entry);
    seen.set(entry.account, before);
    // Memory reaches back a minute from the newest entry of the account.
    const newest = Math.max(...before.map(({ atMs }) => atMs));
    const minute = before.filter(
      ({ atMs }) => atMs > entry.atMs - MINUTE_MS && atMs <= entry.atMs && atMs > newest - MINUTE_MS,
    );
    const sum = (list: readonly Entry[]) => list.reduce((total, { amount }) => total + amount, 0);
    return { ...entry, count: before.length, sum: sum(before), minuteCount: minute.length, minuteSum: sum(minute) };
  });
}

/** Entries of 50 accounts, mostly in order, some up to half a minute behind; a share that the processor cannot bear. */
export function* createEntries(random: () => number, unbearable: number): Generator<Entry> {
  for (let i = 0; ; i++) {
    yield {
      id: `e${i}`,
      account: `a${Math.floor(random() * 50)}`,
      amount: random() < unbearable ? 666 : Math.floor(random() * 500),
      atMs: 1_700_000_000_000 + i * 200 - (random() < 0.1 ? Math.floor(random() * 30_000) : 0),
    };
  }
}

/** Values by key, in the order of their partition. */
export function sequences(records: readonly InRecord[]): Map<string, string[]> {
  const byKey = new Map<string, string[]>();
  for (const { key, value } of records) {
    const name = key?.toString('utf8') ?? '';
    const values = byKey.get(name) ?? [];
    values.push(value?.toString('utf8') ?? 'null');
    byKey.set(name, values);
  }
  return byKey;
}
