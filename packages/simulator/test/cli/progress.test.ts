import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, it } from 'node:test';
import { bar, createProgress } from '../../src/cli/progress.ts';
import { formatTable } from '../../src/cli/table.ts';

function screen(isTTY: boolean) {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  let nowMs = 0;
  const progress = createProgress({ stream: Object.assign(stream, { isTTY, columns: 60 }), nowMs: () => nowMs });
  return { written, progress, wait: (ms: number) => (nowMs += ms) };
}

describe('progress', () => {
  it('is a bar', () => {
    assert.equal(bar(0), '[........................]   0 %');
    assert.equal(bar(0.5), '[############............]  50 %');
    assert.equal(bar(1.7), '[########################] 100 %');
  });

  it('redraws one line of a terminal, not more than ten times a second, and leaves the last state', () => {
    const { written, progress, wait } = screen(true);
    progress.show(0, 'a');
    progress.show(0.5, 'b');
    wait(100);
    progress.show(0.75, 'c');
    progress.show(1, `d ${'x'.repeat(100)}`);
    progress.end();
    progress.end();
    assert.equal(written.length, 4);
    assert.equal(written[0], `\r[${'.'.repeat(24)}]   0 % a\u001b[K`);
    assert.match(written[1] ?? '', /75 % c/);
    assert.equal(written[2]?.length, 1 + 59 + 3);
    assert.equal(written[3], '\n');
  });

  it('is a line every ten seconds in a log', () => {
    const { written, progress, wait } = screen(false);
    for (let second = 0; second < 25; second += 1) {
      progress.show(undefined, `${second}`);
      wait(1_000);
    }
    progress.end();
    assert.deepEqual(written, ['0\n', '10\n', '20\n', '24\n']);
  });
});

describe('a table', () => {
  it('aligns names to the left and numbers to the right', () => {
    assert.equal(
      formatTable([
        ['hop', 'payments'],
        ['sent', 12_345],
        ['twice', 0],
      ]),
      'hop    payments\nsent     12,345\ntwice         0',
    );
  });
});
