// The real service, of which keys and certificates are exchanged while it runs.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { allTopics, createTopics } from '@millrace/contracts';
import { createKafka } from '@millrace/kafka';
import { testStack } from '@millrace/local-stack';
import { createLogger } from '@millrace/observability';
import { PAYMENT } from '../fixtures.ts';
import { createAuthority } from '../mqtt/listener-fixture.ts';
import { createFolder, sha256 } from './credentials-file.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const WAIT_MS_MAX = 30_000;

async function createPrefix(t: TestContext): Promise<string> {
  const prefix = `ingest-${randomUUID().slice(0, 8)}.`;
  const logger = createLogger({ service: 'test', level: 'silent' });
  const kafka = createKafka({ brokers: testStack().kafkaBrokers, clientId: prefix, logger });
  const admin = await kafka.admin();
  t.after(async () => {
    await admin.deleteTopics(allTopics(createTopics({ prefix })).map(({ name }) => name));
    await admin.close();
  });
  return prefix;
}

/** The port, and what the service has logged. */
async function startService(t: TestContext, settings: Readonly<Record<string, string>>) {
  const ports = { HTTP_PORT: '0', METRICS_PORT: '0', MQTT_PORT: '0', MQTT_WS_PORT: '0' };
  const env = { ...process.env, KAFKA_BROKERS: testStack().kafkaBrokers.join(','), ...ports, ...settings };
  const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  let log = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  await until(() => log.includes('taking events'));
  const line = log.split('\n').find((text) => text.includes('taking events')) ?? '';
  const { http }: { http: string } = JSON.parse(line);
  return { http, log: () => log };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS_MAX;
  while (!(await holds())) {
    assert.ok(performance.now() < deadlineMs, `not within ${WAIT_MS_MAX} ms: ${holds}`);
    await sleep(100);
  }
}

test('keys and certificates are exchanged while the service runs, and a wrong file changes nothing', async (t) => {
  const folder = await createFolder(t);
  const file = (name: string) => join(folder, name);
  const before = await createAuthority(t);
  const after = await createAuthority(t);
  async function writeCertificates(authority: typeof before): Promise<void> {
    const { cert, key } = await authority.sign('localhost');
    await writeFile(file('cert.pem'), cert);
    await writeFile(file('key.pem'), key);
  }
  async function writeKeys(...keys: string[]): Promise<void> {
    const entries = keys.map((key) => ({ name: 'shop', sha256: sha256(key), scopes: ['payments:write'] }));
    await writeFile(file('next.json'), JSON.stringify({ keys: entries }));
    await rename(file('next.json'), file('keys.json'));
  }
  await writeCertificates(before);
  await writeKeys('the old key');
  const service = await startService(t, {
    TOPIC_PREFIX: await createPrefix(t),
    API_KEYS_FILE: file('keys.json'),
    HTTP_TLS_CERT_FILE: file('cert.pem'),
    HTTP_TLS_KEY_FILE: file('key.pem'),
    RATE_LIMIT_EVENTS_PER_SECOND: '1000',
    RATE_LIMIT_BURST_EVENTS: '5000',
  });
  const { port } = new URL(service.http);

  function pay(apiKey: string, { ca } = before): Promise<{ status?: number; remaining?: unknown }> {
    const body = JSON.stringify({ ...PAYMENT, transaction_id: randomUUID(), event_time: Date.now() });
    const headers = { 'content-type': 'application/json', 'x-api-key': apiKey };
    const options = { host: '127.0.0.1', port, servername: 'localhost', agent: false, ca } as const;
    return new Promise((resolve) => {
      const sent = request({ ...options, method: 'POST', path: '/v1/payments', headers }, (response) => {
        const { statusCode: status = 0 } = response;
        response.resume().once('end', () => resolve({ status, remaining: response.headers['ratelimit-limit'] }));
      });
      // A certificate that is not trusted: no status.
      sent.once('error', () => resolve({}));
      sent.end(body);
    });
  }
  const statusOf = async (apiKey: string, authority = before) => (await pay(apiKey, authority)).status;

  assert.match(service.http, /^https:/);
  assert.deepEqual(await pay('the old key'), { status: 202, remaining: '5000' });
  assert.equal(await statusOf('the new key'), 401);

  await writeKeys('the old key', 'the new key');
  await until(async () => (await statusOf('the new key')) === 202);
  assert.equal(await statusOf('the old key'), 202);

  await writeFile(file('keys.json'), '{ "keys": [');
  await until(() => service.log().includes('stays in force'));
  assert.equal(await statusOf('the new key'), 202);

  await writeKeys('the new key');
  await until(async () => (await statusOf('the old key')) === 401);
  assert.equal(await statusOf('the new key'), 202);

  assert.equal(await statusOf('the new key', after), undefined);
  await writeCertificates(after);
  await until(async () => (await statusOf('the new key', after)) === 202);
  assert.doesNotMatch(service.log(), /the (old|new) key/);
});
