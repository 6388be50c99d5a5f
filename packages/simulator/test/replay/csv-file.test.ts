import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { openCsv } from '../../src/replay/csv-file.ts';

describe('a CSV file', () => {
  let dir = '';
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'millrace-csv-'));
  });
  after(() => rm(dir, { recursive: true }));

  async function fileOf(name: string, content: string | Buffer): Promise<string> {
    await writeFile(join(dir, name), content);
    return join(dir, name);
  }
  async function rowsOf(path: string) {
    const { columns, rows } = await openCsv(path);
    const all: (readonly string[])[] = [];
    for await (const row of rows) all.push(row);
    return { columns, rows: all };
  }
  const usage = (message: RegExp) => (error: Error & { code?: string }) => {
    assert.equal(error.code, 'usage');
    assert.match(error.message, message);
    return true;
  };

  it('gives header and rows, compressed or not, with a byte order mark or Windows line ends', async () => {
    const expected = {
      columns: ['a', 'b'],
      rows: [
        ['1', '2'],
        ['3', 'x, "y"'],
      ],
    };
    const text = '\ufeffa,b\r\n1,2\r\n\r\n3,"x, ""y"""\r\n';
    assert.deepEqual(await rowsOf(await fileOf('plain.csv', text)), expected);
    assert.deepEqual(await rowsOf(await fileOf('packed.csv.gz', gzipSync(text))), expected);
  });

  it('can be left in the middle', async () => {
    const long = `a\n${'1\n'.repeat(50_000)}`;
    const { rows } = await openCsv(await fileOf('long.csv', long));
    let seen = 0;
    for await (const _ of rows) {
      seen += 1;
      if (seen === 10) break;
    }
    assert.equal(seen, 10);
  });

  it('that is missing, a folder, empty, cut off or no CSV is a sentence', async () => {
    await assert.rejects(openCsv(join(dir, 'none.csv')), usage(/no such file.*none\.csv/));
    await assert.rejects(openCsv(dir), usage(/not a file/));
    await assert.rejects(openCsv(await fileOf('empty.csv', '')), usage(/empty/));
    await assert.rejects(rowsOf(await fileOf('quote.csv', 'a,b\n1,x"y\n')), usage(/no CSV/));
    const whole = gzipSync(`a\n${'12345,abc\n'.repeat(20_000)}`);
    await assert.rejects(rowsOf(await fileOf('cut.csv.gz', whole.subarray(0, whole.length / 2))), usage(/gzip/));
  });
});
