import assert from 'node:assert/strict';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createBatchWorld, freePort, randomFrom } from './world.ts';

const ROWS = 120_000;
const CUSTOMERS = 50;
/** Every so many rows one is wrong, and must be counted once. */
const WRONG_EVERY = 1_000;
const LOADER_KILLS = 10;
const INGEST_KILLS = 4;
/** From the start of a loader until something is killed; it is up after a quarter of that. */
const KILL_AFTER_MS_MAX = 1_600;

function* csv(): Generator<string> {
  yield 'transaction_id,event_time,customer_id,merchant_id,amount,currency,channel,note\n';
  for (let row = 0; row < ROWS; row += 1) {
    const currency = row % WRONG_EVERY === 7 ? 'EUX' : 'EUR';
    const note = row % 3 === 0 ? `"two\nlines, ${row}"` : `n${row}`;
    yield `t-${row},2018-04-01T00:00:00Z,c-${row % CUSTOMERS},m-1,${row}.25,${currency},pos,${note}\n`;
  }
}

test('loader and ingest killed with -9 again and again: each row is there exactly once, in order, and wrong ones are counted once', async (t) => {
  const { topics, folder, startIngest, startLoader, kill, readTopic } = await createBatchWorld(t);
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`seed ${seed}`);
  const random = randomFrom(seed);
  const file = join(folder, 'payments.csv');
  await pipeline(Readable.from(csv()), createWriteStream(file));

  const port = await freePort();
  let ingest = await startIngest(port);
  const args = [file, '--url', `http://127.0.0.1:${port}`, '--json'];
  // Each in a random place: who is killed, and when.
  const kills = [...Array(LOADER_KILLS).fill('loader'), ...Array(INGEST_KILLS).fill('ingest')].sort(
    () => random() - 0.5,
  );
  let loader = startLoader(args);
  for (const whom of kills) {
    await sleep(400 + random() * KILL_AFTER_MS_MAX);
    if (whom === 'ingest') {
      await kill(ingest);
      // The loader waits meanwhile.
      ingest = await startIngest(port);
      continue;
    }
    await kill(loader.child);
    loader = startLoader(args);
  }
  const { code, stdout, stderr } = await loader.ended;
  assert.equal(code, 1, `some rows are wrong, which is exit code 1; ${stderr}`);
  const wrong = ROWS / WRONG_EVERY;
  const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  const { received, accepted, rejected, done } = result.files[0];
  assert.deepEqual(
    { received, accepted, rejected, done },
    { received: ROWS, accepted: ROWS - wrong, rejected: wrong, done: true },
  );
  // A row begins in line row + 2, and every third row before it has one more.
  assert.equal(result.files[0].problems[0].line, 7 + 2 + Math.ceil(7 / 3));

  const records = await readTopic(topics.paymentsRaw.name);
  const rowsByCustomer = Map.groupBy(
    records.map(({ key, headers }) => ({
      customer: String(key),
      row: Number(String(headers.event_id).slice('t-'.length)),
    })),
    ({ customer }) => customer,
  );
  for (let customer = 0; customer < CUSTOMERS; customer += 1) {
    const expected: number[] = [];
    for (let row = customer; row < ROWS; row += CUSTOMERS) if (row % WRONG_EVERY !== 7) expected.push(row);
    assert.deepEqual(
      rowsByCustomer.get(`c-${customer}`)?.map(({ row }) => row),
      expected,
    );
  }
  assert.equal(records.length, ROWS - wrong);

  // Again, when it is done: nothing happens.
  const again = await startLoader(args).ended;
  assert.deepEqual(JSON.parse(again.stdout.trim().split('\n').at(-1) ?? '').files[0].received, ROWS);
  assert.equal((await readTopic(topics.paymentsRaw.name)).length, ROWS - wrong);
});
