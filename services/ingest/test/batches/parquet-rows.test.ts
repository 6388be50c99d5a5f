import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { openFile } from '../../src/batches/formats/open-file.ts';
import { decimalText } from '../../src/batches/formats/parquet-columns.ts';
import { FileFault, type Row } from '../../src/batches/formats/rows.ts';

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 1_000) yield bytes.subarray(at, at + 1_000);
}

async function readParquet(bytes: Buffer): Promise<{ columns: readonly string[] | undefined; rows: Row[] }> {
  const { source, close } = await openFile(once(bytes), 'parquet');
  const rows: Row[] = [];
  for await (const some of source.rows) rows.push(...some);
  await close();
  return { columns: source.columns, rows };
}

const COLUMNS = [
  { name: 'id', data: ['t-1', 't-2', 't-3'], type: 'STRING' },
  { name: 'count', data: [1n, 9_007_199_254_740_993n, -5n], type: 'INT64' },
  { name: 'small', data: [1, -2, 3], type: 'INT32' },
  { name: 'ratio', data: [0.5, 0.1, 1e300], type: 'DOUBLE' },
  { name: 'flag', data: [true, false, true], type: 'BOOLEAN' },
  { name: 'note', data: ['a', undefined, 'c'], type: 'STRING' },
] as const;

for (const codec of ['UNCOMPRESSED', 'SNAPPY'] as const) {
  test(`values come as they were written (${codec}), rows are numbered from 1, and what is missing is undefined`, async () => {
    const written = parquetWriteBuffer({
      columnData: COLUMNS.map((column) => ({ ...column, data: [...column.data] })),
      codec,
    });
    const { columns, rows } = await readParquet(Buffer.from(written));
    assert.deepEqual(columns, ['id', 'count', 'small', 'ratio', 'flag', 'note']);
    assert.deepEqual(rows, [
      { line: 1, value: ['t-1', 1, 1, 0.5, true, 'a'] },
      // 2^53 + 1 is no number that a double holds.
      { line: 2, value: ['t-2', '9007199254740993', -2, 0.1, false, undefined] },
      { line: 3, value: ['t-3', -5, 3, 1e300, true, 'c'] },
    ]);
  });
}

test('rows of several groups follow each other', async () => {
  const data = Array.from({ length: 2_500 }, (_, index) => index);
  const written = parquetWriteBuffer({ columnData: [{ name: 'n', data, type: 'INT32' }], rowGroupSize: 700 });
  const { rows } = await readParquet(Buffer.from(written));
  assert.deepEqual(
    rows,
    data.map((n) => ({ line: n + 1, value: [n] })),
  );
});

test('decimals are exact text, whatever holds their integer', async () => {
  const decimal = (scale: number, precision: number) => ({ converted_type: 'DECIMAL', scale, precision }) as const;
  const schema = [
    { name: 'root', num_children: 3 },
    { name: 'small', type: 'INT32', repetition_type: 'REQUIRED', ...decimal(2, 9) },
    { name: 'large', type: 'INT64', repetition_type: 'REQUIRED', ...decimal(2, 18) },
    { name: 'bytes', type: 'FIXED_LEN_BYTE_ARRAY', type_length: 12, repetition_type: 'REQUIRED', ...decimal(4, 28) },
  ];
  const written = parquetWriteBuffer({
    schema: schema as never,
    columnData: [
      { name: 'small', data: [5_716n, 8_710n, -1n] },
      { name: 'large', data: [999_999_999_999_999_999n, 14_600n, 1n] },
      { name: 'bytes', data: [123_456_789_012_345_678_901n, -125_000n, 0n] },
    ],
  });
  const { rows } = await readParquet(Buffer.from(written));
  assert.deepEqual(
    rows.map(({ value }) => value),
    [
      ['57.16', '9999999999999999.99', '12345678901234567.8901'],
      ['87.1', '146', '-12.5'],
      ['-0.01', '0.01', '0'],
    ],
  );
});

test('a time in UTC is epoch milliseconds, one without a zone is text without one, a day is a day', async () => {
  const schema = [
    { name: 'root', num_children: 3 },
    {
      name: 'utc',
      type: 'INT64',
      repetition_type: 'REQUIRED',
      logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
    },
    {
      name: 'local',
      type: 'INT64',
      repetition_type: 'REQUIRED',
      logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: false, unit: 'MILLIS' },
    },
    { name: 'day', type: 'INT32', repetition_type: 'REQUIRED', converted_type: 'DATE' },
  ];
  const written = parquetWriteBuffer({
    schema: schema as never,
    columnData: [
      { name: 'utc', data: [new Date('2018-04-01T00:00:31.250Z')] },
      { name: 'local', data: [new Date('2018-04-01T00:00:31.250Z')] },
      { name: 'day', data: [new Date('2018-04-01T00:00:00Z')] },
    ],
  });
  const { rows } = await readParquet(Buffer.from(written));
  assert.deepEqual(rows[0]?.value, [1_522_540_831_250, '2018-04-01T00:00:31.250', '2018-04-01']);
});

test('half of a file, or another kind of file, is a fault', async () => {
  const written = Buffer.from(parquetWriteBuffer({ columnData: [{ name: 'n', data: [1, 2], type: 'INT32' }] }));
  const isFault = (error: unknown) => error instanceof FileFault && error.code === 'malformed-file';
  await assert.rejects(readParquet(written.subarray(0, written.length - 5)), isFault);
  await assert.rejects(readParquet(Buffer.from('a,b\n1,2\n')), isFault);
  const damaged = Buffer.from(written);
  damaged.fill(0xff, written.length - 40, written.length - 10);
  await assert.rejects(readParquet(damaged), isFault);
});

test('the text of a decimal has the digits of its integer', () => {
  assert.deepEqual(
    [decimalText(1_250n, 2), decimalText(-5n, 3), decimalText(0n, 2), decimalText(7n, 0), decimalText(100n, 2)],
    ['12.5', '-0.005', '0', '7', '1'],
  );
});
