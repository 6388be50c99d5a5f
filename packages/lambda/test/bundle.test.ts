import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bundleFunction, FUNCTIONS, type FunctionName } from '../src/index.ts';

/** Lambda takes 250 MB unzipped; a start reads all of it. */
const BYTES_MAX = 8 * 1024 * 1024;

for (const name of Object.keys(FUNCTIONS) as FunctionName[]) {
  test(`${name} becomes one module that imports nothing but Node's own`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-lambda-'));
    t.after(() => rm(folder, { recursive: true }));
    const taskRoot = await bundleFunction(name, folder);
    assert.deepEqual((await readdir(taskRoot)).sort(), ['lambda.mjs', 'lambda.mjs.map']);
    const code = await readFile(join(taskRoot, 'lambda.mjs'), 'utf8');
    assert.ok(code.length < BYTES_MAX, `${code.length} bytes`);
    assert.match(code, /^export \{[^}]*\bhandler\b[^}]*\}/m);
    const imported = Array.from(code.matchAll(/^import .*? from "([^"]+)";/gm), ([, from]) => from ?? '');
    assert.deepEqual(
      imported.filter((from) => !isBuiltin(from)),
      [],
    );
    // Modules of kafkajs past its entry, of which a bundler must be told.
    assert.match(code, /kafkajs\/src\/cluster\/index\.js/);
  });
}
