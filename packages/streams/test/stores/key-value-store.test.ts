import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KeyValueStore } from '../../src/index.ts';

const codec = { encode: (value: number) => String(value), decode: (bytes: Buffer) => Number(bytes.toString('utf8')) };
const TTL_MS = 100;

test('puts, deletes and expiry leave what a plain map with times leaves, also after a restore', () => {
  const step = fc.record({
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    value: fc.option(fc.nat(100), { nil: null }),
    waitMs: fc.nat(40),
    drain: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const store = new KeyValueStore<number>('test', { ...codec, ttlMs: TTL_MS, entriesMax: 10 });
      const model = new Map<string, { value: number; atMs: number }>();
      const changelog: { key: string; value: Buffer | string | null }[] = [];
      let nowMs = 0;
      for (const { key, value, waitMs, drain } of steps) {
        nowMs += waitMs;
        store.advance(nowMs);
        if (value === null) {
          store.delete(key);
          model.delete(key);
        } else {
          store.put(key, value);
          model.set(key, { value, atMs: nowMs });
        }
        for (const name of ['a', 'b', 'c', 'd']) {
          const entry = model.get(name);
          assert.equal(store.get(name), entry !== undefined && entry.atMs + TTL_MS > nowMs ? entry.value : undefined);
        }
        if (drain) changelog.push(...store.drainChanges());
      }
      changelog.push(...store.drainChanges());
      const restored = new KeyValueStore<number>('test', { ...codec, ttlMs: TTL_MS, entriesMax: 10 });
      for (const { key, value } of changelog)
        restored.restore(key, value === null ? null : Buffer.from(value as Buffer));
      restored.advance(nowMs);
      assert.deepEqual(new Map(restored.entries()), new Map(store.entries()));
    }),
  );
});

test('only the newest value of a key is written, once', () => {
  const store = new KeyValueStore<number>('test', { ...codec, entriesMax: 10 });
  store.put('a', 1);
  store.put('a', 2);
  store.put('b', 3);
  store.delete('b');
  assert.deepEqual(store.drainChanges(), [
    { key: 'a', value: '2' },
    { key: 'b', value: null },
  ]);
  assert.deepEqual(store.drainChanges(), []);
});

test('a full store refuses a new key and still takes the ones it has', () => {
  const store = new KeyValueStore<number>('test', { ...codec, entriesMax: 1 });
  store.put('a', 1);
  store.put('a', 2);
  assert.throws(() => store.put('b', 1), { code: 'store-full', message: /1 entries/ });
  assert.equal(store.get('a'), 2);
});
