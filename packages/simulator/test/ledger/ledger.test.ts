import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { reportEarlierRuns } from '../../src/ledger/earlier-runs.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { LedgerReporter } from '../../src/ledger/reporter.ts';
import { createHttpClient } from '../../src/send/http-client.ts';

const NOW_MS = 1_790_000_000_000;

/** Takes reports as the API does: a sequence number that it knows changes nothing. Answers 503 to the first `refuse`. */
async function startApi() {
  const ids = new Map<string, string[]>();
  const state = { refuse: 0, requests: 0 };
  const server: Server = createServer(
    (request, response) => void take(request).then((status) => response.writeHead(status).end('{}')),
  );
  async function take(request: IncomingMessage): Promise<number> {
    const body = await text(request);
    state.requests += 1;
    if (state.refuse > 0) {
      state.refuse -= 1;
      return 503;
    }
    const key = `${request.url} ${request.headers['x-ledger-sequence']}`;
    const entries = body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.ok(entries.every(({ acknowledged_at }) => acknowledged_at === NOW_MS));
    ids.set(
      key,
      entries.map(({ kind, id }) => `${kind} ${id}`),
    );
    return 202;
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, state, ids: () => [...ids.values()].flat(), server };
}

describe('a ledger', () => {
  let dir = '';
  let api: Awaited<ReturnType<typeof startApi>>;
  let stop = new AbortController();
  const client = () => createHttpClient({ url: api.url, connections: 1, signal: stop.signal });
  const newLedger = (run: string) =>
    openLedger({
      dir: join(dir, run),
      nowMs: () => NOW_MS,
      onFailure: (error) => {
        throw error;
      },
    });

  before(async () => {
    api = await startApi();
  });
  after(() => api.server.close());
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'millrace-ledger-'));
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await rm(dir, { recursive: true });
  });

  it('writes what was sent, acknowledged and refused, one line for a group', async () => {
    const ledger = await newLedger('run');
    ledger.sent('payment', 'p1');
    ledger.sent('payment', 'p2');
    ledger.sent('telemetry', 'd1:1:1');
    ledger.acknowledged('payment', 'p1');
    ledger.refused('payment', 'p2', 'amount: malformed');
    await ledger.close();
    const lines = (await readFile(join(dir, 'run', '000001.ndjson'), 'utf8')).trim().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      [
        { kind: 'sent', at: NOW_MS, ids: { payment: ['p1', 'p2'], telemetry: ['d1:1:1'] } },
        { kind: 'acknowledged', at: NOW_MS, sequence: 1, ids: { payment: ['p1'], telemetry: [] } },
        { kind: 'refused', at: NOW_MS, ids: { payment: ['p2'] }, reason: 'amount: malformed' },
      ],
    );
    assert.deepEqual(ledger.counts('payment'), { sent: 2, acknowledged: 1, refused: 1 });
    assert.deepEqual([...ledger.reasons()], [['amount: malformed', 1]]);
  });

  it('is reported while it is written, each acknowledged id once, also when the API fails in between', async () => {
    const ledger = await newLedger('live');
    const reporter = new LedgerReporter({ dir: join(dir, 'live'), sender: 'live', client: client() });
    reporter.start(assert.ifError);
    api.state.refuse = 2;
    const expected: string[] = [];
    for (let id = 0; id < 12_000; id += 1) {
      ledger.sent('payment', `live-${id}`);
      ledger.acknowledged('payment', `live-${id}`);
      expected.push(`payment live-${id}`);
    }
    await ledger.close();
    while (reporter.reportedBytes < ledger.bytes) await new Promise((resolve) => setTimeout(resolve, 20));
    await reporter.close();
    assert.equal(reporter.reportedIds, 12_000);
    assert.deepEqual(
      api
        .ids()
        .filter((id) => id.includes('live-'))
        .toSorted(),
      expected.toSorted(),
    );
  });

  it('of a run that was killed is reported by the next one, from where reporting ended, without the torn last line', async () => {
    const ledger = await newLedger('a-killed');
    ledger.acknowledged('payment', 'killed-1');
    await ledger.flush();
    await new LedgerReporter({ dir: join(dir, 'a-killed'), sender: 'a-killed', client: client() }).reportAll();
    ledger.acknowledged('telemetry', 'killed-2');
    await ledger.close();
    await appendFile(join(dir, 'a-killed', '000001.ndjson'), '{"kind":"acknowledged","at":17900');
    const before = api.state.requests;
    await newLedger('b-current');
    await reportEarlierRuns(dir, 'b-current', client());
    assert.deepEqual(
      api.ids().filter((id) => id.includes('killed')),
      ['payment killed-1', 'telemetry killed-2'],
    );
    assert.equal(api.state.requests - before, 1);
  });

  it('of runs long ago is removed once it is reported', async () => {
    for (const run of ['r1', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7']) await (await newLedger(run)).close();
    await reportEarlierRuns(dir, 'r7', client());
    assert.deepEqual(await readdir(dir), ['r2', 'r3', 'r4', 'r5', 'r6', 'r7']);
  });
});
