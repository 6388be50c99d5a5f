import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClusterId } from '../src/kafka/server.ts';

test('a cluster id never begins with a dash, which the storage tool would take for an option', () => {
  const drawn = [Buffer.alloc(16, 0xfb), Buffer.alloc(16, 0)];
  assert.equal(
    createClusterId(() => drawn.shift() ?? Buffer.alloc(16, 1)),
    'AAAAAAAAAAAAAAAAAAAAAA',
  );
});
