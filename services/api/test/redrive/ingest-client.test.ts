import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createIngestClient } from '../../src/redrive/ingest-client.ts';
import { LETTER } from '../fixtures.ts';

/** What stands for ingest: remembers what it was sent, and answers as a test says. */
async function fakeIngest(t: TestContext, status = 200) {
  const requests: {
    readonly request: IncomingMessage;
    readonly body: { dry_run: boolean; letters: { id: string }[] };
  }[] = [];
  const server = createServer(async (request, response) => {
    const body = JSON.parse((await request.toArray()).join(''));
    requests.push({ request, body });
    const results = body.letters.map(({ id }: { id: string }) => ({ id, status: 'redriven' }));
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ results }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

test('a letter goes to ingest with all stages that refused it and the time of its first failure', async (t) => {
  const { url, requests } = await fakeIngest(t);
  const results = await createIngestClient({ url })([LETTER, { ...LETTER, id: 'other' }], true);
  assert.deepEqual(results, [
    { id: LETTER.id, status: 'redriven' },
    { id: 'other', status: 'redriven' },
  ]);
  const [sent] = requests;
  assert.equal(sent?.request.url, '/v1/redrive');
  assert.equal(sent?.request.headers.authorization, undefined);
  assert.equal(sent?.body.dry_run, true);
  assert.deepEqual(sent?.body.letters[0], {
    id: LETTER.id,
    origin: LETTER.origin,
    stages: ['customer', 'sink'],
    key: LETTER.key,
    headers: LETTER.headers,
    value_base64: LETTER.value_base64,
    failed_at: LETTER.first_failed_at,
  });
});

test('the API key is read for each request, so that it can be replaced', async (t) => {
  const { url, requests } = await fakeIngest(t);
  const folder = await mkdtemp(join(tmpdir(), 'key-'));
  t.after(() => rm(folder, { recursive: true }));
  const apiKeyFile = join(folder, 'key');
  const redrive = createIngestClient({ url, apiKeyFile });
  for (const key of ['first', 'second']) {
    await writeFile(apiKeyFile, `${key}\n`);
    await redrive([LETTER], false);
  }
  assert.deepEqual(
    requests.map(({ request }) => request.headers.authorization),
    ['Bearer first', 'Bearer second'],
  );
});

test('an ingest that is away, that refuses, or a key that cannot be read is one error, with its reason for the log', async (t) => {
  const refusing = await fakeIngest(t, 403);
  const clients = [
    createIngestClient({ url: 'http://127.0.0.1:1' }),
    createIngestClient({ url: refusing.url }),
    createIngestClient({ url: refusing.url, apiKeyFile: join(tmpdir(), 'there is no such file') }),
  ];
  for (const redrive of clients) await assert.rejects(redrive([LETTER], false), { code: 'ingest-unavailable' });
  assert.equal(refusing.requests.length, 1);
});
