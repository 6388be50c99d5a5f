import assert from 'node:assert/strict';
import { test } from 'node:test';
import { childOf, childrenOf, newTraceparent, parseTraceparent } from '@millrace/observability';

const SAMPLED = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test('the example of the recommendation is parsed', () => {
  assert.deepEqual(parseTraceparent(SAMPLED), {
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    parentId: '00f067aa0ba902b7',
    sampled: true,
  });
});

test('what the recommendation calls invalid is undefined', () => {
  for (const text of [
    undefined,
    '',
    'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    '00-00000000000000000000000000000000-00f067aa0ba902b7-01',
    '00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01',
    '00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01',
    `${SAMPLED}-more`,
    `${SAMPLED}0`,
  ]) {
    assert.equal(parseTraceparent(text), undefined, String(text));
  }
});

test('a later version may carry more fields', () => {
  const later = 'cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like';
  assert.equal(parseTraceparent(later)?.parentId, '00f067aa0ba902b7');
});

test('a child keeps the trace and the sampling decision and gets a new parent id', () => {
  const child = parseTraceparent(childOf('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00'));
  assert.equal(child?.traceId, '4bf92f3577b34da6a3ce929d0e0e4736');
  assert.equal(child?.sampled, false);
  assert.notEqual(child?.parentId, '00f067aa0ba902b7');
});

test('the child of nothing starts a trace', () => {
  assert.match(childOf(undefined), /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assert.notEqual(childOf('nonsense'), childOf('nonsense'));
  assert.equal(parseTraceparent(newTraceparent(false))?.sampled, false);
});

test('children of one text are children of the same span, and no two ids are the same', () => {
  const next = childrenOf('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
  const children = Array.from({ length: 2_000 }, () => parseTraceparent(next()));
  assert.deepEqual(
    [...new Set(children.map((child) => `${child?.traceId} ${child?.sampled}`))],
    ['4bf92f3577b34da6a3ce929d0e0e4736 true'],
  );
  assert.equal(new Set(children.map((child) => child?.parentId)).size, 2_000);
  const traces = Array.from({ length: 2_000 }, () => parseTraceparent(newTraceparent())?.traceId);
  assert.equal(new Set(traces).size, 2_000);
});
