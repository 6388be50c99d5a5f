import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLambda } from './lambda-harness.ts';
import { CASES } from './suite.ts';

/** Nothing runs between invocations that could see that time passes. */
const NOT_IN_LAMBDA = [
  'a partition that has gone quiet closes its windows by the wall clock, and keeps the time it came to',
];

for (const { name, run } of CASES) {
  const inLambda = () => run({ prefix: '', open: (topology) => openLambda(topology, '') });
  if (NOT_IN_LAMBDA.includes(name))
    test(`lambda: not that ${name}`, () => assert.rejects(inLambda, assert.AssertionError));
  else test(`lambda: ${name}`, inLambda);
}
