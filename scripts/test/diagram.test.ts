import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DOCUMENT, topologyDocument } from '../diagram.ts';

test('docs/topology.md shows the topologies as they are (npm run docs:topology writes it anew)', () => {
  assert.equal(readFileSync(DOCUMENT, 'utf8'), topologyDocument());
});
