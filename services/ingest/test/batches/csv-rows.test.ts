import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { openFile } from '../../src/batches/formats/open-file.ts';
import { FileFault, type Row } from '../../src/batches/formats/rows.ts';

/** The bytes in pieces of the given size, as a socket brings them. */
async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function readCsv(
  text: string | Buffer,
  size = 7,
  format = {},
): Promise<{ columns: readonly string[]; rows: Row[] }> {
  const { source, close } = await openFile(pieces(Buffer.from(text), size), 'csv', format);
  const rows: Row[] = [];
  for await (const some of source.rows) rows.push(...some);
  await close();
  return { columns: source.columns ?? [], rows };
}

/** Character by character, the whole text at once: what RFC 4180 says, and on which line each record begins. */
function bruteForce(text: string, delimiter: string): Row[] {
  const rows: Row[] = [];
  let cells: string[] = [];
  let cell = '';
  let line = 1;
  let begins = 1;
  let quoted = false;
  const endRow = () => {
    cells.push(cell);
    if (cells.length > 1 || cells[0] !== '') rows.push({ line: begins, value: cells });
    cells = [];
    cell = '';
    begins = line;
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? '';
    if (character === '\n') line += 1;
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[at + 1] === '"') {
        cell += '"';
        at += 1;
      } else quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === delimiter) {
      cells.push(cell);
      cell = '';
    } else if (character === '\n') endRow();
    else if (character !== '\r' || text[at + 1] !== '\n') cell += character;
  }
  if (cell !== '' || cells.length > 0) endRow();
  return rows;
}

test('cells, and the line on which each row begins, are those of a reading character by character, wherever the pieces end', async (t) => {
  const seed = Date.now() % 2 ** 31;
  t.diagnostic(`seed ${seed}`);
  const cell = fc.string({
    unit: fc.constantFrom('a', 'é', '漢', '🛒', ' ', ',', ';', '"', '\n', '\r\n', "'", '1'),
    maxLength: 6,
  });
  const table = fc.integer({ min: 1, max: 4 }).chain((columns) =>
    fc.record({
      rows: fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { maxLength: 12 }),
      header: fc.constant(Array.from({ length: columns }, (_, index) => `c${index}`)),
    }),
  );
  await fc.assert(
    fc.asyncProperty(
      table,
      fc.constantFrom(',', ';', '\t', '|'),
      fc.constantFrom('\n', '\r\n'),
      fc.constantFrom('', '\uFEFF'),
      fc.boolean(),
      fc.integer({ min: 1, max: 40 }),
      async ({ header, rows }, delimiter, end, mark, endsWithLine, size) => {
        const written = [header, ...rows].map((cells) =>
          cells.map((text) => (/[",;\t|\n\r']/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)).join(delimiter),
        );
        const text = written.join(end) + (endsWithLine ? end : '');
        const expected = bruteForce(text, delimiter).slice(1);
        const read = await readCsv(mark + text, size, { delimiter });
        assert.deepEqual(read.columns, header);
        assert.deepEqual(read.rows, expected);
      },
    ),
    { seed, numRuns: 300 },
  );
});

test('the delimiter is told by the header, and blank lines count as lines only', async () => {
  const { columns, rows } = await readCsv('a;b,c;d\n\n1;2;3\n\n\n4;5;6');
  assert.deepEqual(columns, ['a', 'b,c', 'd']);
  assert.deepEqual(rows, [
    { line: 3, value: ['1', '2', '3'] },
    { line: 6, value: ['4', '5', '6'] },
  ]);
});

test('a row with another number of cells, or with bytes that are no UTF-8, is a problem of that row alone', async () => {
  const bytes = Buffer.concat([Buffer.from('a,b\n1,2\n3\n'), Buffer.from([0xe9]), Buffer.from(',x\n4,5\n')]);
  const { rows } = await readCsv(bytes);
  assert.deepEqual(
    rows.map(({ line, problem }) => [line, problem?.code]),
    [
      [2, undefined],
      [3, 'malformed'],
      [4, 'malformed'],
      [5, undefined],
    ],
  );
  const latin1 = await readCsv(bytes, 7, { encoding: 'latin1' });
  assert.deepEqual(latin1.rows[2]?.value, ['é', 'x']);
});

const faults: readonly (readonly [string, string | Buffer, number | undefined])[] = [
  ['a quote that is never closed', 'a,b\n1,2\n3,"4\n5,6\n', 3],
  ['a quote in the middle of a cell', 'a,b\n1,2\n3,4"5"\n', 3],
  ['a quote that is not doubled', 'a,b\n1,"2"3"\n', 2],
  ['a row without an end', `a,b\n1,2\n3,"${'x'.repeat(300_000)}`, 3],
  ['a header that names a column twice', 'a,b,a\n1,2,3\n', 1],
  ['an empty file', '', undefined],
  ['nothing but blank lines', '\n\n', undefined],
  ['UTF-16', Buffer.from('\uFEFFa,b\n', 'utf16le'), undefined],
];
for (const [what, text, line] of faults) {
  test(`${what} ends the file with a fault that says where, without the cell`, async () => {
    await assert.rejects(readCsv(text, 1_000), (error: unknown) => {
      assert.ok(error instanceof FileFault, String(error));
      assert.equal(error.line, line);
      assert.doesNotMatch(error.message, /xxx|5"|"5/);
      return true;
    });
  });
}

test('a gzip file is inflated, also in many members, and half of one is a fault', async () => {
  const zipped = Buffer.concat([gzipSync('a,b\n1,2\n'), gzipSync('3,4\n')]);
  const { rows } = await readCsv(zipped);
  assert.deepEqual(
    rows.map(({ value }) => value),
    [
      ['1', '2'],
      ['3', '4'],
    ],
  );
  const whole = gzipSync(Buffer.from(`a,b\n${'1,2\n'.repeat(50_000)}`));
  await assert.rejects(readCsv(whole.subarray(0, whole.length - 20), 1_000), {
    name: 'FileFault',
    code: 'malformed-file',
  });
});

test('the first line of a file without a header is a row, where the mapping names the columns', async () => {
  const { columns, rows } = await readCsv('1,2\n3,4\n', 7, { columns: ['x', 'y'] });
  assert.deepEqual(columns, ['x', 'y']);
  assert.deepEqual(rows, [
    { line: 1, value: ['1', '2'] },
    { line: 2, value: ['3', '4'] },
  ]);
});
