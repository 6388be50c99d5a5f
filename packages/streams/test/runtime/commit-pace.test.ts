import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommitPace } from '../../src/runtime/commit-pace.ts';

test('before anything is known, and behind a backlog, the whole interval passes', () => {
  const pace = new CommitPace(100);
  assert.equal(pace.apartMs(true), 100);
  pace.took(5);
  assert.equal(pace.apartMs(false), 100);
});

test('a task that has caught up commits after five times what a commit takes', () => {
  const pace = new CommitPace(100);
  pace.took(6);
  assert.equal(pace.apartMs(true), 30);
});

test('some slow commits among quick ones change nothing', () => {
  const pace = new CommitPace(100);
  for (const durationMs of [5, 5, 80, 6, 90, 5, 70, 6, 5]) pace.took(durationMs);
  assert.equal(pace.apartMs(true), 30);
});

test('where commits have become slow, the interval is the longest that passes, and quick ones bring it back', () => {
  const pace = new CommitPace(100);
  for (let i = 0; i < 9; i++) pace.took(5);
  for (let i = 0; i < 5; i++) pace.took(60);
  assert.equal(pace.apartMs(true), 100);
  for (let i = 0; i < 5; i++) pace.took(4);
  assert.equal(pace.apartMs(true), 20);
});
