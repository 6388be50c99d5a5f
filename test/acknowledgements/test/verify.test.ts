import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger } from '../ledger.ts';
import { verify } from '../verify.ts';

function ledgerOf(sent: string[], acknowledged: string[], refused: string[] = []): Ledger {
  const ledger = new Ledger();
  ledger.send(sent);
  ledger.acknowledge(acknowledged);
  ledger.refuse(refused);
  return ledger;
}

test('what is acknowledged and kept is right, and so is what is kept without an answer or neither', () => {
  const ledger = ledgerOf(['a-1', 'a-2', 'a-3', 'b-1'], ['a-1', 'b-1']);
  assert.deepEqual(verify(ledger, [['a-1', 'a-2'], ['b-1']]), {
    sent: 4,
    acknowledged: 2,
    kept: 3,
    keptUnsaid: 1,
    repeats: 0,
    problems: [],
  });
});

test('an acknowledged event that is not kept is a loss', () => {
  const { problems } = verify(ledgerOf(['a-1', 'a-2'], ['a-1', 'a-2']), [['a-1']]);
  assert.deepEqual(problems, ['1 acknowledged and not kept: a-2']);
});

test('a refused event that is kept, and one that nobody sent, are found', () => {
  const { problems } = verify(ledgerOf(['a-1'], [], ['a-1']), [['a-1', 'c-1']]);
  assert.deepEqual(problems, ['1 refused and kept all the same: a-1', '1 kept and sent by nobody: c-1']);
});

test('a repeat is counted, and its second place says nothing about the order', () => {
  const verdict = verify(ledgerOf(['a-1', 'a-2'], ['a-1', 'a-2']), [['a-1', 'a-2', 'a-1']]);
  assert.equal(verdict.repeats, 1);
  assert.deepEqual(verdict.problems, []);
});

test('an event behind a later one of its sender is out of order; other senders do not matter', () => {
  const ids = ['a-2', 'b-1', 'a-1'];
  assert.deepEqual(verify(ledgerOf(ids, ids), [ids]).problems, ['1 kept behind a later one of the same sender: a-1']);
  const spread = ['a-1', 'b-9', 'a-2', 'b-10'];
  assert.deepEqual(verify(ledgerOf(spread, spread), [spread]).problems, []);
});

test('of many losses some are named and the rest is counted', () => {
  const ids = Array.from({ length: 7 }, (_, number) => `a-${number}`);
  const { problems } = verify(ledgerOf(ids, ids), [[]]);
  assert.deepEqual(problems, ['7 acknowledged and not kept: a-0, a-1, a-2, a-3, a-4, and 2 more']);
});
