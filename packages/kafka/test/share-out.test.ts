import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { shareOut } from '../src/share-out.ts';

const units = (count: number) => Array.from({ length: count }, (_, i) => `task-${i}`);

test('units are shared out evenly, each to one member', () => {
  const anyMembers = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.nat(40), anyMembers, fc.nat(), (count, members, salt) => {
      const all = units(count);
      // Claims at random, some of them twice, some of units that no longer exist.
      const claims = members.map((memberId, i) => ({
        memberId,
        owned: [...all, 'gone'].filter((_, j) => (i * 7 + j * 13 + salt) % 3 === 0),
      }));
      const shares = [...shareOut(all, claims).values()];
      assert.deepEqual(shares.flat().sort(), [...all].sort());
      const sizes = shares.map(({ length }) => length);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
    }),
  );
});

test('a member that joins takes over only what it needs', () => {
  const before = shareOut(units(8), [
    { memberId: 'a', owned: [] },
    { memberId: 'b', owned: [] },
  ]);
  const after = shareOut(units(8), [
    ...[...before].map(([memberId, owned]) => ({ memberId, owned })),
    { memberId: 'c', owned: [] },
  ]);
  for (const member of ['a', 'b']) {
    const kept = after.get(member)?.filter((id) => before.get(member)?.includes(id));
    assert.equal(kept?.length, after.get(member)?.length, `${member} got nothing that it had not before`);
  }
  assert.equal(after.get('c')?.length, 2);
});

test('when a member leaves, the others keep what they have', () => {
  const after = shareOut(units(6), [
    { memberId: 'a', owned: ['task-0', 'task-1'] },
    { memberId: 'b', owned: ['task-2', 'task-3'] },
  ]);
  assert.deepEqual(after.get('a')?.slice(0, 2), ['task-0', 'task-1']);
  assert.deepEqual(after.get('b')?.slice(0, 2), ['task-2', 'task-3']);
});

test('without members there is nothing to share', () => {
  assert.equal(shareOut(units(3), []).size, 0);
});
