import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { samples } from '@millrace/contracts';
import { testStack } from '@millrace/local-stack';
import { createTestSink, recordOf, stop, type TestSink } from './test-sink.ts';

const BATCH = 500;
const KILLS = 3;
const ANSWER_DELAY_MS = 400;

test('a sink that is killed with -9 between intent and advance, again and again, stores every record once', async (t) => {
  const sink = await createTestSink(t);
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`seed ${seed}`);
  const random = sequence(seed);
  // Late answers: for most of a block's time its rows are there and the sink does not know.
  const proxy = await startProxy(t, new URL(testStack().clickhouseUrl), ANSWER_DELAY_MS);
  const env = { CLICKHOUSE_URL: `http://127.0.0.1:${proxy.port}` };
  let sent = 0;
  let left = '';
  for (let kill = 0; kill < KILLS; kill += 1) {
    const child = sink.start(env);
    for (let intent = left; intent === left || intent === ''; intent = await intentOf(sink)) {
      await sendDecisions(sink, sent, BATCH);
      sent += BATCH;
      await delay(200);
    }
    await delay(random() * ANSWER_DELAY_MS * 1.5);
    await stop(child, 'SIGKILL');
    left = await intentOf(sink);
    t.diagnostic(`killed with ${await sink.count('decisions')} of ${sent} stored, under way: ${left || 'nothing'}`);
  }
  const port = await freePort();
  const last = sink.start({ METRICS_PORT: String(port) });
  await sink.waitForRows('decisions', sent);
  await untilReady(port); // all may have been there already: a process that is still loading knows no signals
  assert.equal(await stop(last, 'SIGTERM'), 0);
  await assertStoredOnce(sink, sent);
});

test('two sinks share the topics, and when one leaves the other goes on with what it had', async (t) => {
  const sink = await createTestSink(t);
  const children = [sink.start(), sink.start()];
  let sent = 0;
  for (let round = 0; round < 30; round += 1) {
    await sendDecisions(sink, sent, BATCH);
    sent += BATCH;
    await delay(200);
    if (round === 15) await Promise.all(children.splice(0, 1).map((child) => stop(child, 'SIGTERM')));
    if (round === 20) children.push(sink.start());
  }
  await sink.waitForRows('decisions', sent);
  await Promise.all(children.map((child) => stop(child, 'SIGTERM')));
  await assertStoredOnce(sink, sent);
});

test('without ClickHouse the sink waits, says that it is not ready, and goes on when it is back', async (t) => {
  const sink = await createTestSink(t);
  const proxy = await startProxy(t, new URL(testStack().clickhouseUrl));
  const port = await freePort();
  const child = sink.start({
    CLICKHOUSE_URL: `http://127.0.0.1:${proxy.port}`,
    METRICS_PORT: String(port),
    LOG_LEVEL: 'error',
  });
  await sendDecisions(sink, 0, BATCH);
  await sink.waitForRows('decisions', BATCH);
  assert.equal(await readiness(port), 200);

  proxy.cut();
  let sent = BATCH;
  for (let round = 0; round < 10; round += 1) {
    await sendDecisions(sink, sent, BATCH);
    sent += BATCH;
    await delay(200);
  }
  assert.equal(await readiness(port), 503);
  assert.equal(await sink.count('decisions'), BATCH);

  proxy.restore();
  await sink.waitForRows('decisions', sent);
  assert.equal(await readiness(port), 200);
  await assertStoredOnce(sink, sent);
  assert.equal(await stop(child, 'SIGTERM'), 0);
});

test('when the database is lost, everything that Kafka has is stored again', async (t) => {
  const sink = await createTestSink(t);
  const first = sink.start();
  await sendDecisions(sink, 0, BATCH);
  await sink.waitForRows('decisions', BATCH);
  assert.equal(await stop(first, 'SIGTERM'), 0);
  await fetch(testStack().clickhouseUrl, { method: 'POST', body: `DROP DATABASE ${sink.warehouse.database}` });
  await sink.warehouse.migrate();
  sink.start();
  await sendDecisions(sink, BATCH, BATCH);
  await sink.waitForRows('decisions', 2 * BATCH);
  await assertStoredOnce(sink, 2 * BATCH);
});

/** The block under way, as the group's metadata tells it; '' when there is none. */
async function intentOf({ admin, topics, groupId }: TestSink): Promise<string> {
  const committed = await admin.committed(groupId, [topics.fraudDecisions.name]);
  return committed
    .map(({ partition, offset, metadata }) => (metadata === '' ? '' : `${partition}:${offset}${metadata}`))
    .join('');
}

async function sendDecisions({ producer, topics }: TestSink, first: number, count: number): Promise<void> {
  const records = Array.from({ length: count }, (_, index) =>
    recordOf(topics.fraudDecisions, {
      ...samples.decision,
      transaction_id: `tx-${first + index}`,
      customer_id: `customer-${index % 50}`,
    }),
  );
  await producer.send([{ topic: topics.fraudDecisions.name, records }]);
}

async function assertStoredOnce({ warehouse }: TestSink, sent: number): Promise<void> {
  const [found] = await warehouse.query(
    'SELECT count() AS rows, uniqExact(transaction_id) AS ids, uniqExact(_partition, _offset) AS offsets FROM decisions',
  );
  assert.deepEqual(found, { rows: sent, ids: sent, offsets: sent });
}

/** A line to ClickHouse that can be cut, and on which answers take their time. */
async function startProxy(
  t: TestContext,
  target: URL,
  answerDelayMs = 0,
): Promise<{ port: number; cut(): void; restore(): void }> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect(Number(target.port), target.hostname);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      // A cut line shows as an error on either side; `close` follows it and does what is to be done.
      socket.on('error', (error) => t.diagnostic(`proxy: ${error.message}`));
    }
    near.pipe(far);
    far.on('data', (bytes) => setTimeout(() => near.destroyed || near.write(bytes), answerDelayMs));
    far.on('end', () => setTimeout(() => near.end(), answerDelayMs));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  t.after(() => {
    cut();
    server.close();
  });
  return {
    port: portOf(server.address()),
    cut,
    restore: () => {
      isCut = false;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const port = portOf(server.address());
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number {
  if (address === null || typeof address === 'string') throw new Error('not a TCP server');
  return address.port;
}

async function readiness(port: number): Promise<number> {
  const { status } = await fetch(`http://127.0.0.1:${port}/health/ready`);
  return status;
}

/** Mulberry32: numbers from 0 to 1 that a seed repeats. */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

async function untilReady(port: number): Promise<void> {
  while ((await readiness(port).catch((error: Error) => error.message)) !== 200) await delay(100);
}
