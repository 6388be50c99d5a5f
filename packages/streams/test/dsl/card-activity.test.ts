import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createTestDriver } from '../../src/index.ts';
import { createTopology } from './card-activity.ts';

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

test('the example of the README does what it says', () => {
  const driver = createTestDriver(createTopology());
  const pay = (id: string, key: string, minute: number, amount: number, status = 'approved') =>
    driver.pipe('payments', { value: { id, key, atMs: minute * 60_000, merchant: 'm1', amount, status } });
  driver.pipe('merchants', { value: { id: 'm', key: 'm1', atMs: 0, name: 'shop' } });
  driver.pipe('cards', { value: { id: 'c', key: 'a', atMs: 0, name: 'Ada' } });
  pay('p1', 'a', 0, 5);
  pay('p2', 'a', 1, 7);
  pay('p3', 'a', 1, 9, 'declined');
  driver.pipe('refunds', {
    value: { id: 'r1', key: 'shop', atMs: 180_000, merchant: 'shop', amount: 5, status: 'approved' },
  });
  pay('p4', 'b', 20, 1);
  pay('p5', 'a', 2, 1);
  const activity = driver.output<{ key: string; atMs: number; holder: string; n: number; sum: number }>('activity');
  assert.deepEqual(
    activity.map(({ key, atMs, holder, n, sum }) => [key, atMs / 60_000, holder, n, sum]),
    [
      ['a', 1, 'Ada', 1, 5],
      ...[2, 3, 4, 5, 6, 7, 8, 9, 10].map((minute) => ['a', minute, 'Ada', 2, 12]),
      ['a', 11, 'Ada', 1, 7],
    ],
  );
  assert.deepEqual(
    driver.output<{ id: string }>('late').map(({ id }) => id),
    ['p5'],
  );
  driver.advanceTo(30 * 60_000);
  assert.deepEqual(
    driver
      .output<{ id: string; key: string; refund: string | null }>('quick-refunds')
      .map(({ id, refund }) => [id, refund]),
    [
      ['p1', 'r1'],
      ['p2', 'r1'],
      ['p4', null],
    ],
  );
});

test('the README shows this example', () => {
  const [, example = ''] = read('./card-activity.ts').split(/^ *\/\/ README\n/m);
  const shown = example.replaceAll(/^ {2}/gm, '');
  assert.ok(shown.length > 0 && read('../../README.md').includes(shown), `README.md lacks:\n${shown}`);
});
