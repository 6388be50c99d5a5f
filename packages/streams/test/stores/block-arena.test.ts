import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockArena } from '../../src/stores/block-arena.ts';
import { createRandom } from '../support/random.ts';

const SEED = Date.now() % 2 ** 31;
const PAGE_BYTES = 256 * 1024;

test('blocks keep their content through any sequence of allocations, growths and frees, in little more memory', (t) => {
  t.diagnostic(`seed ${SEED}`);
  const random = createRandom(SEED);
  const below = (limit: number) => Math.floor(random() * limit);
  const arena = new BlockArena();
  const blocks = new Map<number, number[]>();
  const fill = (slot: number, size: number, kept: number[]) => {
    const content = [...kept.slice(0, size), ...Array.from({ length: Math.max(0, size - kept.length) }, random)];
    arena.pageOf(slot).set(content, arena.offsetOf(slot));
    blocks.set(slot, content);
  };
  const check = (slot: number, content: number[]) => {
    const offset = arena.offsetOf(slot);
    assert.deepEqual([...arena.pageOf(slot).subarray(offset, offset + content.length)], content);
    assert.equal(arena.sizeOf(slot), content.length);
  };
  // Sizes around those of small tables, now and then one larger than a page.
  const someSize = () => (below(2_000) === 0 ? 20_000 + below(80_000) : 1 + below(below(20) === 0 ? 2_000 : 100));
  for (let i = 0; i < 20_000; i++) {
    const slots = i % 1_500 < 1_000 ? 0.3 : 0.7; // times of growth, times of decline
    const slot = blocks.size === 0 ? undefined : [...blocks.keys()][below(Math.min(blocks.size, 200))];
    if (slot === undefined || random() > slots) {
      const size = someSize();
      fill(arena.allocate(size), size, []);
    } else if (below(2) === 0) {
      check(slot, blocks.get(slot) as number[]);
      arena.free(slot);
      blocks.delete(slot);
    } else {
      const content = blocks.get(slot) as number[];
      const size = someSize();
      arena.resize(slot, size);
      fill(slot, size, content);
    }
    if (i % 2_000 > 0) continue;
    let used = 0;
    for (const [each, content] of blocks) {
      check(each, content);
      used += (content.length + 2) * 8;
    }
    assert.ok(arena.bytes <= used * 1.7 + 20 * PAGE_BYTES, `${arena.bytes} bytes for ${used}`);
  }
});

test('when blocks grow step by step, all of them, the smaller ones leave no memory behind', () => {
  const arena = new BlockArena();
  const slots = Array.from({ length: 20_000 }, () => arena.allocate(4));
  for (let size = 6; size <= 60; size += 6) for (const slot of slots) arena.resize(slot, size);
  assert.ok(arena.bytes < 20_000 * 62 * 8 * 1.5 + 20 * PAGE_BYTES, `${arena.bytes}`);
});
