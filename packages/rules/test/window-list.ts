import type { WindowView } from '../src/index.ts';

/** A window that keeps every event in a list and looks at all of them for each question: slow, and hard to get wrong. */
export function listWindow<F extends string>(): WindowView<F> {
  const events: { readonly timeMs: number; readonly fields: Readonly<Record<F, number>> }[] = [];
  const inside = (windowMs: number, atMs: number) =>
    events.filter(({ timeMs }) => timeMs > atMs - windowMs && timeMs <= atMs);
  const values = (field: F, windowMs: number, atMs: number) =>
    inside(windowMs, atMs).map(({ fields }) => fields[field]);
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  const mean = (numbers: readonly number[]) => (numbers.length === 0 ? 0 : sum(numbers) / numbers.length);
  return {
    add: (timeMs, fields) => {
      events.push({ timeMs, fields });
    },
    count: (windowMs, atMs) => inside(windowMs, atMs).length,
    sum: (field, windowMs, atMs) => sum(values(field, windowMs, atMs)),
    mean: (field, windowMs, atMs) => mean(values(field, windowMs, atMs)),
    deviation: (field, windowMs, atMs) => {
      const numbers = values(field, windowMs, atMs);
      const middle = mean(numbers);
      return numbers.length < 2
        ? 0
        : Math.sqrt(sum(numbers.map((number) => (number - middle) ** 2)) / (numbers.length - 1));
    },
    distinct: (field, windowMs, atMs) => new Set(values(field, windowMs, atMs)).size,
    countWhere: (field, wanted, windowMs, atMs) =>
      values(field, windowMs, atMs).filter((value) => value === wanted).length,
    last: (atMs) =>
      events
        .filter(({ timeMs }) => timeMs <= atMs)
        .reduce<(typeof events)[number] | undefined>(
          (newest, event) => (newest === undefined || event.timeMs >= newest.timeMs ? event : newest),
          undefined,
        ),
  };
}
