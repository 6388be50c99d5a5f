import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SlidingWindowStore } from '../../src/index.ts';
import { createRandom } from '../support/random.ts';
import { Changelog, type Event, exactDeviation, type Field, WindowModel } from './sliding-window-model.ts';

// Keys with so many events that they have an index, which grows, shrinks, is lost in a restart and is made again.

const SEED = Date.now() % 2 ** 31;
const RETENTION_MS = 1_000;
const DECLARED_MS = [40, 300, RETENTION_MS];
const UNDECLARED_MS = [1, 77, 650];

const create = (eventsPerKeyMax: number, distinctExactMax?: number) =>
  new SlidingWindowStore<Field>('test', {
    fields: ['amount', 'shop'],
    sums: ['amount'],
    windows: DECLARED_MS,
    retentionMs: RETENTION_MS,
    eventsPerKeyMax,
    keysMax: 100,
    ...(distinctExactMax === undefined ? {} : { distinctExactMax }),
  });

interface Run {
  readonly seed: number;
  readonly eventsPerKeyMax: number;
  /** One in so many events is late, and one in so many steps is a restart. */
  readonly lateOneIn: number;
  readonly restartOneIn: number;
  readonly stepMsMax: number;
  readonly amountMax: number;
}

const someRun: fc.Arbitrary<Run> = fc.record({
  seed: fc.nat(),
  eventsPerKeyMax: fc.constantFrom(70, 150, 100_000),
  lateOneIn: fc.constantFrom(2, 20, 1_000),
  restartOneIn: fc.constantFrom(50, 1_000_000),
  stepMsMax: fc.constantFrom(3, 8, 30),
  amountMax: fc.constantFrom(5, 1_000_000, 1e12),
});

test('keys with many events say what a look through all of them says: late events, late questions, restarts', (t) => {
  t.diagnostic(`seed ${SEED}`);
  fc.assert(
    fc.property(someRun, ({ seed, eventsPerKeyMax, lateOneIn, restartOneIn, stepMsMax, amountMax }) => {
      const random = createRandom(seed);
      const below = (limit: number) => Math.floor(random() * limit);
      const model = new WindowModel(RETENTION_MS, eventsPerKeyMax);
      const changelog = new Changelog();
      let store = create(eventsPerKeyMax);
      let nowMs = 50_000;
      for (let i = 0; i < 500; i++) {
        nowMs += below(stepMsMax);
        const atMs = below(lateOneIn) === 0 ? nowMs - below(1_200) : nowMs;
        const event: Event = {
          key: below(8) === 0 ? 'b' : 'a',
          atMs,
          amount: 1 + below(amountMax),
          shop: 1 + below(90),
        };
        store.advance(nowMs);
        store.window(event.key).add(atMs, { amount: event.amount, shop: event.shop });
        model.add(event);
        if (below(10) === 0) changelog.take(store);
        if (below(restartOneIn) === 0) {
          changelog.take(store);
          if (below(2) === 0) changelog.compact(below(changelog.records.length));
          store = create(eventsPerKeyMax);
          changelog.restoreInto(store, nowMs);
        }
        if (below(8) > 0) continue; // also stretches of events about which nothing is asked
        const view = store.window(event.key);
        for (const windowMs of [...DECLARED_MS, UNDECLARED_MS[below(3)] as number])
          model.assertSame(view, event.key, windowMs, below(5) === 0 ? atMs - below(200) : atMs);
      }
    }),
    { seed: SEED, numRuns: 30 },
  );
});

test('distinct is exact up to its bound and within the error of a HyperLogLog beyond it, the same after a restart', () => {
  const random = createRandom(11);
  const bounded = create(100_000, 600);
  const changelog = new Changelog();
  let most = 0;
  for (let i = 0; i < 12_000; i++) {
    const atMs = 100_000 + Math.floor(i / 3); // a window of 1,000 ms holds 3,000 events
    const shops = i < 5_000 ? 40_000 : 400; // first more than the bound, then fewer
    bounded.advance(atMs);
    bounded.window('k').add(atMs, { amount: i % 650, shop: Math.floor(random() * shops) });
    if (i % 997 !== 0) continue;
    changelog.take(bounded);
    const restarted = create(100_000, 600);
    const exact = create(100_000);
    changelog.restoreInto(restarted, atMs);
    changelog.restoreInto(exact, atMs);
    for (const windowMs of DECLARED_MS) {
      for (const field of ['shop', 'amount'] as const) {
        const distinct = bounded.window('k').distinct(field, windowMs, atMs);
        const truth = exact.window('k').distinct(field, windowMs, atMs);
        most = Math.max(most, truth);
        assert.equal(restarted.window('k').distinct(field, windowMs, atMs), distinct);
        if (truth <= 600) assert.equal(distinct, truth);
        else assert.ok(Math.abs(distinct / truth - 1) < 5 * 0.023, `${distinct} of ${truth}`);
      }
    }
  }
  assert.ok(most > 2_000, `${most}`);
});

test('deviations of large amounts that differ little do not cancel, in keys with few events and with many', () => {
  const random = createRandom(5);
  for (const events of [20, 2_000]) {
    const store = create(100_000);
    const amounts: number[] = [];
    for (let i = 0; i < events; i++) {
      amounts.push(4e12 + Math.floor(random() * 10));
      store.advance(i);
      store.window('k').add(i, { amount: amounts[i] as number, shop: amounts[i] as number });
      const view = store.window('k');
      // `amount` has running totals, `shop` has not.
      for (const field of ['amount', 'shop'] as const)
        assert.equal(view.deviation(field, 300, i), exactDeviation(amounts.slice(-300)));
    }
  }
});

test('sums and deviations of fractions are right to the last digits, however many amounts have passed by', () => {
  const random = createRandom(6);
  const store = create(100_000);
  const amounts: number[] = [];
  for (let i = 0; i < 20_000; i++) {
    // Now and then a giant: what is left of it when it has gone must not spoil the small ones.
    amounts.push(i % 1_500 === 0 ? 1e9 + 0.1 : random());
    store.advance(i);
    store.window('k').add(i, { amount: amounts[i] as number, shop: 1 });
    if (i % 50 !== 0) continue;
    const window = amounts.slice(-300);
    const sum = exactSum(window);
    const mean = sum / window.length;
    const squares = exactSum(window.map((amount) => (amount - mean) ** 2));
    const view = store.window('k');
    assert.ok(Math.abs(view.sum('amount', 300, i) / sum - 1) < 1e-14);
    if (window.length < 2) continue;
    const deviation = Math.sqrt(squares / (window.length - 1));
    assert.ok(Math.abs(view.deviation('amount', 300, i) / deviation - 1) < 1e-12);
  }
});

test('a quantile outside of 0 to 1, an unknown field, and a store that cannot be are refused', () => {
  const store = create(10);
  assert.throws(() => store.window('k').quantile('amount', 1.5, 10, 10), { code: 'invalid-topology' });
  assert.throws(() => store.window('k').sum('x' as Field, 10, 10), { code: 'invalid-topology', message: /field x/ });
  const options = { fields: ['amount'], retentionMs: 1_000, eventsPerKeyMax: 10, keysMax: 10 } as const;
  for (const wrong of [{ windows: [1_001] }, { sums: ['x' as 'amount'] }, { eventsPerKeyMax: 0 }, { retentionMs: -1 }])
    assert.throws(() => new SlidingWindowStore('test', { ...options, ...wrong }), { code: 'invalid-topology' });
});

/** The sum in units of 2^-60, whole numbers: exact for what is summed here but for what is below those. */
function exactSum(values: readonly number[]): number {
  const scale = 2 ** 60;
  const whole = values.reduce((sum, value) => {
    const high = Math.floor(value);
    return sum + BigInt(high) * BigInt(scale) + BigInt(Math.round((value - high) * scale));
  }, 0n);
  return Number(whole / BigInt(scale)) + Number(whole % BigInt(scale)) / scale;
}
