import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '../src');
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

test('the package is pure: no node module, no Buffer, no clock, no chance, no network', () => {
  assert.ok(sources.length > 20);
  for (const name of sources) {
    const code = readFileSync(join(root, name), 'utf8');
    const impure = /from 'node:|\bBuffer[.(]|\bprocess\.|Date\.now|new Date\(\)|Math\.random|\bfetch\(|setTimeout/.exec(
      code,
    );
    assert.equal(impure, null, `${name}: ${impure?.[0]}`);
  }
});
