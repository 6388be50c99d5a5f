import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { shareOut, shareOutStandbys } from '../src/share-out.ts';

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

test('whoever had all of one kind, a member that joins gets its share of each kind', () => {
  const all = ['heavy', 'light'].flatMap((kind) => units(4).map((id) => `${kind}/${id}`));
  const kindOf = (id: string) => id.split('/')[0] ?? '';
  const shares = shareOut(
    all,
    [
      { memberId: 'a', owned: all },
      { memberId: 'b', owned: [] },
    ],
    kindOf,
  );
  for (const share of shares.values()) {
    assert.equal(share.filter((id) => kindOf(id) === 'heavy').length, 2);
    assert.equal(share.filter((id) => kindOf(id) === 'light').length, 2);
  }
});

test('kinds are shared out evenly whoever joins and leaves, and who stays in a settled group keeps what it has', (t) => {
  const seed = Date.now() % 1_000_000;
  t.diagnostic(`seed ${seed}`);
  const kindOf = (id: string) => id.split('/')[0] ?? '';
  const anyKinds = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
  const anySizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(anyKinds, anySizes, (kinds, groupSizes) => {
      const all = kinds.flatMap((count, kind) => units(count).map((id) => `${kind}/${id}`));
      let shares = new Map<string, string[]>();
      for (const size of groupSizes) {
        const members = Array.from({ length: size }, (_, i) => ({
          memberId: `m${i}`,
          owned: shares.get(`m${i}`) ?? [],
        }));
        shares = shareOut(all, members, kindOf);
        const sizes = [...shares.values()].map(({ length }) => length);
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, 'as many units each');
        assert.deepEqual([...shares.values()].flat().sort(), [...all].sort());
        for (const kind of kinds.keys()) {
          const most = Math.max(
            ...[...shares.values()].map((ids) => ids.filter((id) => kindOf(id) === `${kind}`).length),
          );
          assert.ok(most <= Math.ceil((kinds[kind] ?? 0) / size), 'as many of each kind');
        }
      }
      const again = shareOut(
        all,
        [...shares].map(([memberId, owned]) => ({ memberId, owned })),
        kindOf,
      );
      for (const [memberId, ids] of shares) assert.deepEqual(again.get(memberId)?.toSorted(), ids.toSorted());
    }),
    { seed, numRuns: 500 },
  );
});

test('without members there is nothing to share', () => {
  assert.equal(shareOut(units(3), []).size, 0);
});

const anyGroup = fc.record({
  count: fc.nat(30),
  standbys: fc.nat(4),
  memberIds: fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 6 }),
  salt: fc.nat(),
});
const claimsOf = (all: readonly string[], memberIds: readonly string[], salt: number) =>
  memberIds.map((memberId, i) => ({
    memberId,
    owned: [...all, 'gone'].filter((_, j) => (i * 7 + j * 13 + salt) % 5 === 0),
    warm: [...all, 'gone'].filter((_, j) => (i * 11 + j * 3 + salt) % 4 === 0),
  }));

test('every unit has its standbys, each with another member, and no member has many more than the others', (t) => {
  const seed = Date.now() % 1_000_000;
  t.diagnostic(`seed ${seed}`);
  fc.assert(
    fc.property(anyGroup, ({ count, standbys, memberIds, salt }) => {
      const all = units(count);
      const claims = claimsOf(all, memberIds, salt);
      const shares = shareOut(all, claims);
      const given = shareOutStandbys(all, standbys, shares, claims);
      for (const id of all) {
        const holders = [...given].filter(([, ids]) => ids.includes(id)).map(([memberId]) => memberId);
        assert.equal(holders.length, Math.min(standbys, memberIds.length - 1));
        for (const holder of holders) assert.ok(!shares.get(holder)?.includes(id), 'owner and standby are two');
      }
      for (const ids of given.values()) assert.equal(new Set(ids).size, ids.length, 'no two with one member');
      const sizes = [...given.values()].map(({ length }) => length);
      assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 2, `sizes ${sizes}`);
    }),
    { seed, numRuns: 1_000 },
  );
});

test('shared out again with nothing changed, everything stays where it is', () => {
  fc.assert(
    fc.property(anyGroup, ({ count, standbys, memberIds, salt }) => {
      const all = units(count);
      const claims = claimsOf(all, memberIds, salt);
      const before = shareOut(all, claims);
      const standbysBefore = shareOutStandbys(all, standbys, before, claims);
      const again = memberIds.map((memberId) => ({
        memberId,
        owned: before.get(memberId) ?? [],
        warm: standbysBefore.get(memberId) ?? [],
      }));
      const after = shareOut(all, again);
      const sorted = (shares: Map<string, string[]>) =>
        Object.fromEntries([...shares].map(([memberId, ids]) => [memberId, [...ids].sort()]));
      assert.deepEqual(sorted(after), sorted(before));
      assert.deepEqual(sorted(shareOutStandbys(all, standbys, after, again)), sorted(standbysBefore));
    }),
  );
});

test('when a member leaves, its units go to who is warm for them', () => {
  // Of three members with two units each, c has gone; b is warm for both of its units.
  const after = shareOut(units(6), [
    { memberId: 'a', owned: ['task-0', 'task-1'], warm: ['task-2'] },
    { memberId: 'b', owned: ['task-2', 'task-3'], warm: ['task-4', 'task-5'] },
  ]);
  assert.deepEqual([after.get('a')?.length, after.get('b')?.length], [3, 3], 'evenness goes first');
  assert.ok(after.get('b')?.includes('task-4'));
  const two = shareOut(units(4), [
    { memberId: 'a', owned: ['task-0'], warm: ['task-3'] },
    { memberId: 'b', owned: ['task-1'], warm: ['task-2'] },
  ]);
  assert.deepEqual(
    [two.get('a'), two.get('b')],
    [
      ['task-0', 'task-3'],
      ['task-1', 'task-2'],
    ],
  );
});
