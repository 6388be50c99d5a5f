import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { createBatchStore } from '../../src/batches/batch-store.ts';
import { createIngest, PAYMENT } from '../fixtures.ts';
import { createBatchWorld } from './world.ts';

const MAPPING = {
  fields: {
    transaction_id: { template: 'row-{n}' },
    event_time: { column: 'when', time: 'DD.MM.YYYY HH:mm', zone: 'Europe/Lisbon' },
    customer_id: { template: 'c-{who}' },
    merchant_id: { constant: 'm-1' },
    amount: { column: 'sum', decimal: ',' },
    currency: { constant: 'EUR' },
    channel: { constant: 'pos' },
  },
};
const CSV =
  'n;when;who;sum;extra\n1;01.07.2018 10:00;7;12,50;x\n2;01.07.2018 10:01;8;oops;x\n3;01.07.2018 10:02;7;3;x\n';

/** Ingest in this process, with its batches in the real Kafka. */
async function createUploads(t: TestContext) {
  const world = await createBatchWorld(t);
  const { kafka, topics } = world;
  const store = createBatchStore({ kafka, topics, nowMs: Date.now });
  const { app, producer } = await createIngest(t, { batches: store, topics });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  t.after(() => store.close());

  async function upload(fields: Record<string, string>, name: string, bytes: string | Buffer) {
    const form = new FormData();
    for (const [field, value] of Object.entries(fields)) form.append(field, value);
    form.append('file', new Blob([bytes as never]), name);
    const response = await fetch(`${url}/v1/batches`, { method: 'POST', body: form });
    // biome-ignore lint/suspicious/noExplicitAny: what is in it is what is tested.
    return { status: response.status, body: (await response.json()) as any };
  }
  async function get(path: string) {
    const response = await fetch(`${url}${path}`);
    // biome-ignore lint/suspicious/noExplicitAny: what is in it is what is tested.
    return { status: response.status, body: (await response.json()) as any };
  }
  const payments = async () =>
    (await world.readTopic(topics.paymentsRaw.name)).map(({ value }) => JSON.parse(String(value)));
  return { ...world, url, producer, upload, get, payments };
}

test('a file is mapped, checked, kept once and accounted for; sent again, it is answered at once', async (t) => {
  const { upload, get, payments } = await createUploads(t);
  const fields = { mapping: JSON.stringify(MAPPING), kind: 'payments', batch_id: 'b-1' };
  const first = await upload(fields, 'x.csv', CSV);
  assert.equal(first.status, 200, JSON.stringify(first.body));
  const { received, accepted, rejected, done, problems, last_line_settled, unused_columns } = first.body;
  assert.deepEqual({ received, accepted, rejected, done }, { received: 3, accepted: 2, rejected: 1, done: true });
  assert.deepEqual([problems[0].line, problems[0].field, last_line_settled], [3, 'amount', 4]);
  assert.deepEqual(unused_columns, ['extra']);
  const kept = await payments();
  assert.deepEqual(
    kept.map(({ transaction_id, event_time, amount_minor }) => [transaction_id, event_time, amount_minor]),
    [
      ['row-1', Date.UTC(2018, 6, 1, 9, 0), 1_250],
      ['row-3', Date.UTC(2018, 6, 1, 9, 2), 300],
    ],
  );

  const again = await upload(fields, 'x.csv.gz', gzipSync(CSV));
  assert.deepEqual([again.status, again.body.received, again.body.resumed_after_line], [200, 3, 4]);
  assert.deepEqual(again.body.problems, problems);
  assert.equal((await payments()).length, 2);

  const progress = await get('/v1/batches/b-1');
  assert.deepEqual([progress.body.accepted, progress.body.rejected, progress.body.done], [2, 1, true]);
  assert.deepEqual(
    (await get('/v1/batches')).body.batches.map(({ batch_id }: { batch_id: string }) => batch_id),
    ['b-1'],
  );
  assert.equal((await get('/v1/batches/b-2')).status, 404);

  const differs = await upload({ ...fields, mapping: JSON.stringify({ ...MAPPING, attributes: ['*'] }) }, 'x.csv', CSV);
  assert.deepEqual([differs.status, differs.body.type], [409, 'urn:millrace:problem:batch-differs']);
});

test('a dry run tells the first faults with their lines, and publishes nothing', async (t) => {
  const { upload, get, payments, producer } = await createUploads(t);
  const fields = { mapping: JSON.stringify(MAPPING), dry_run: 'true', batch_id: 'b-dry' };
  const { status, body } = await upload(fields, 'x.csv', CSV);
  assert.deepEqual([status, body.dry_run, body.accepted, body.rejected, body.problems[0].line], [200, true, 2, 1, 3]);
  assert.deepEqual([await payments(), producer.sent.length], [[], 0]);
  assert.equal((await get('/v1/batches/b-dry')).status, 404);
});

test('Parquet, NDJSON and CSV of the same rows are the same payments', async (t) => {
  const { url, upload, payments } = await createUploads(t);
  const rows = Array.from({ length: 3 }, (_, index) => ({
    ...PAYMENT,
    transaction_id: `t-${index}`,
    amount: `${index}.5`,
  }));
  const names = Object.keys(rows[0] ?? {}) as (keyof (typeof rows)[number])[];
  const csv = [names.join(','), ...rows.map((row) => names.map((name) => row[name]).join(','))].join('\n');
  const ndjson = rows.map((row) => JSON.stringify(row)).join('\n');
  const parquet = Buffer.from(
    parquetWriteBuffer({
      columnData: names.map((name) => ({
        name,
        data: rows.map((row) => (name === 'event_time' ? BigInt(row[name]) : row[name])),
        type: name === 'event_time' ? 'INT64' : 'STRING',
      })),
      codec: 'SNAPPY',
    }),
  );
  for (const [name, bytes] of [
    ['a.csv', csv],
    ['a.ndjson', ndjson],
    ['a.parquet', parquet],
  ] as const) {
    const { status, body } = await upload({ batch_id: name }, name, bytes);
    assert.deepEqual([status, body.accepted], [200, 3], JSON.stringify(body));
  }
  // NDJSON may be a body, too.
  const headers = { 'content-type': 'application/x-ndjson' };
  const direct = await fetch(`${url}/v1/batches?batch_id=direct`, { method: 'POST', headers, body: ndjson });
  assert.equal(((await direct.json()) as { accepted: number }).accepted, 3);
  const kept = await payments();
  assert.equal(kept.length, 12);
  const distinct = new Set(kept.map((payment) => JSON.stringify(payment)));
  assert.equal(distinct.size, 3);
});

test('an upload that is cut off is not taken for the whole, and goes on where it stopped', async (t) => {
  const { url, upload, get, payments } = await createUploads(t);
  const lines = Array.from({ length: 30_000 }, (_, index) => `${index};01.07.2018 10:00;7;1,00;x`);
  const csv = `n;when;who;sum;extra\n${lines.join('\n')}\n`;
  const mapping = JSON.stringify(MAPPING);
  const part = (name: string, value: string) =>
    `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const file = '--b\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n';
  const body = `${part('mapping', mapping)}${part('batch_id', 'cut')}${file}${csv}`;
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  // The last line that comes is half of one, and looks like a whole.
  const half = body.slice(0, body.indexOf('\n20000;') + '\n20000;01.07.2018 10:00;7;1'.length);
  socket.write(
    `POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${body.length + 9}\r\n\r\n`,
  );
  socket.write(half);
  while ((await get('/v1/batches/cut')).status === 404) await sleep(50);
  socket.destroy();
  await sleep(300);
  const cut = (await get('/v1/batches/cut')).body;
  assert.equal(cut.done, false);
  assert.ok(cut.received > 0 && cut.received <= 20_000, String(cut.received));

  const whole = await upload({ mapping, batch_id: 'cut' }, 'x.csv', csv);
  assert.deepEqual([whole.body.received, whole.body.accepted, whole.body.done], [30_000, 30_000, true]);
  assert.ok(whole.body.resumed_after_line >= cut.last_line_settled && whole.body.resumed_after_line <= 20_001);
  assert.deepEqual(
    (await payments()).map(({ transaction_id }) => transaction_id),
    lines.map((_, n) => `row-${n}`),
  );
});

test('of two senders of one batch the later has it, and the earlier is told so', async (t) => {
  const { url, upload, payments } = await createUploads(t);
  const rows = (from: number, to: number) =>
    Array.from(
      { length: to - from },
      (_, i) => `${JSON.stringify({ ...PAYMENT, transaction_id: `t-${from + i}` })}\n`,
    ).join('');
  const paused = Promise.withResolvers<void>();
  async function* slowly() {
    yield Buffer.from(rows(0, 3_000));
    await paused.promise;
    yield Buffer.from(rows(3_000, 6_000));
  }
  const early = fetch(`${url}/v1/batches?batch_id=two`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, duplex: 'half' },
    body: ReadableStream.from(slowly()) as never,
  } as RequestInit);
  await sleep(1_000);
  const late = await upload({ batch_id: 'two' }, 'x.ndjson', rows(0, 6_000));
  assert.deepEqual([late.status, late.body.received, late.body.done], [200, 6_000, true], JSON.stringify(late.body));
  paused.resolve();
  const refused = await early;
  assert.equal(refused.status, 409);
  assert.equal(((await refused.json()) as { type: string }).type, 'urn:millrace:problem:batch-taken-over');
  assert.equal((await payments()).length, 6_000);
});

const refusals: readonly (readonly [string, Record<string, string>, string, string | Buffer, number, string])[] = [
  ['an unknown kind', { kind: 'rumours' }, 'x.csv', 'a\n1', 422, 'unknown-kind'],
  ['a mapping that is not JSON', { mapping: '{' }, 'x.csv', 'a\n1', 422, 'invalid-mapping'],
  [
    'a mapping that does not fit the file',
    { mapping: JSON.stringify(MAPPING) },
    'x.csv',
    'a\n1',
    422,
    'invalid-mapping',
  ],
  ['a file of an unknown format', {}, 'x.xls', 'a\n1', 415, 'unsupported-file'],
  ['a batch_id of other characters', { batch_id: 'a b' }, 'x.csv', 'a\n1', 422, 'wrong-batch-id'],
  ['an unknown part', { dryrun: 'true' }, 'x.csv', 'a\n1', 422, 'wrong-form'],
  ['a part that is too long', { mapping: 'x'.repeat(70_000) }, 'x.csv', 'a\n1', 413, 'part-too-large'],
  ['Parquet that is none', {}, 'x.parquet', 'a\n1', 422, 'malformed-file'],
];
test('what is wrong with a form is refused with the field, also while the file is still on its way', async (t) => {
  const { upload } = await createUploads(t);
  for (const [what, fields, name, bytes, status, type] of refusals) {
    const large = typeof bytes === 'string' && !name.endsWith('.parquet') ? bytes + '\n1'.repeat(1_000_000) : bytes;
    const answer = await upload(fields, name, large);
    assert.deepEqual([answer.status, answer.body.type], [status, `urn:millrace:problem:${type}`], what);
  }
});

test('npm run load takes files, prints faults with file and line, and says by its exit code how it went', async (t) => {
  const { folder, url, startLoader, payments } = await createUploads(t);
  const file = join(folder, 'x.csv');
  const mapping = join(folder, 'mapping.json');
  await writeFile(file, CSV);
  await writeFile(mapping, JSON.stringify(MAPPING));
  const args = [file, '--mapping', mapping, '--url', url];
  const dry = await startLoader([...args, '--dry-run']).ended;
  assert.equal(dry.code, 1);
  assert.match(dry.stdout, new RegExp(`${file}:3: amount is no decimal`));
  assert.deepEqual(await payments(), []);
  const load = await startLoader([...args, '--json']).ended;
  assert.equal(load.code, 1);
  const { ok, files } = JSON.parse(load.stdout.trim().split('\n').at(-1) ?? '');
  assert.deepEqual([ok, files[0].accepted, files[0].rejected], [false, 2, 1]);
  assert.equal((await startLoader([...args, '--kind', 'rumours']).ended).code, 2);
  assert.equal((await startLoader([join(folder, 'none.csv'), '--url', url]).ended).code, 2);
  const broken = await startLoader([file, '--url', url]).ended;
  assert.equal(broken.code, 2);
  assert.match(broken.stderr, /has no rule for transaction_id/);
  await writeFile(file, CSV.replace('oops', '1'));
  assert.equal((await startLoader(args).ended).code, 0);
});
