import { test } from 'node:test';
import { openDriver } from './driver-harness.ts';
import { CASES } from './suite.ts';

for (const { name, run } of CASES) {
  test(`test driver: ${name}`, () => run({ prefix: '', open: async (topology) => openDriver(topology) }));
}
