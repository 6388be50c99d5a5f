import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { allTopics, createTopics } from '@millrace/contracts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

const KEPT = {
  compact: /^newest per key$/,
  delete: /1 GiB/,
  'compact,delete': /^newest per key, 30 days$/,
} as const;

test('the table of topics in the README has every topic with its schema, spread and retention', () => {
  const rows = readme
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  for (const topic of allTopics(createTopics())) {
    const [, , schema, , , spread, kept] = rows.find(([, names]) => names?.includes(`\`${topic.name}\``)) ?? [];
    assert.equal(schema, `\`${topic.schema}\``, topic.name);
    assert.equal(spread, topic.partitions === 1 ? '1' : 'shared', topic.name);
    assert.match(kept ?? '', KEPT[topic.cleanupPolicy], topic.name);
  }
});
