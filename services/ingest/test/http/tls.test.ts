import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { openReloaded } from '../../src/access/reload.ts';
import { readHttpCertificates, TLS_OPTIONS } from '../../src/http/tls.ts';
import { createFolder, createKeys, createWatched, sha256 } from '../access/credentials-file.ts';
import { createIngest, PAYMENT } from '../fixtures.ts';
import { type CertificateAuthority, createAuthority } from '../mqtt/listener-fixture.ts';

interface Caller {
  readonly ca: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly apiKey?: string;
}

/** Posts a payment over TLS, on a connection of its own. */
async function pay(app: FastifyInstance, { apiKey, ...tls }: Caller): Promise<number | undefined> {
  const body = JSON.stringify(PAYMENT);
  const headers = { 'content-type': 'application/json', ...(apiKey !== undefined && { 'x-api-key': apiKey }) };
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: portOf(app), servername: 'localhost', agent: false } as const;
    const sent = request({ ...options, ...tls, method: 'POST', path: '/v1/payments', headers }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

function portOf(app: FastifyInstance): number {
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : assert.fail('the app does not listen');
}

async function createWorld(t: TestContext, clientCertificateRequired = false) {
  const authority = await createAuthority(t);
  const server = await authority.sign('localhost');
  const shop = await authority.sign('shop.example');
  const bank = await authority.sign('bank.example');
  const scopes = ['payments:write'];
  const keys = [
    { name: 'key', scopes, sha256: sha256('a key') },
    { name: 'shop', scopes, certificate_cn: 'shop.example' },
    { name: 'bank', scopes: ['labels:write'], certificate_sha256: sha256Of(bank.cert) },
  ];
  const { apiKeys } = await createKeys(t, keys);
  const tls = { ...server, ca: authority.ca, clientCertificateRequired };
  const ingest = await createIngest(t, { apiKeys, tls });
  await ingest.app.listen({ host: '127.0.0.1', port: 0 });
  return { ...ingest, authority, server, shop, bank, ca: authority.ca };
}

function sha256Of(cert: Buffer): string {
  return new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase();
}

test('a client certificate stands for an API key, with its scopes', async (t) => {
  const { app, ca, shop, bank, authority } = await createWorld(t);
  assert.equal(await pay(app, { ca, ...shop }), 202);
  assert.equal(await pay(app, { ca, ...bank }), 403);
  assert.equal(await pay(app, { ca, ...(await authority.sign('nobody.example')) }), 401);
  assert.equal(await pay(app, { ca }), 401);
});

test('an API key goes before a certificate, and may come without one', async (t) => {
  const { app, ca, shop, bank } = await createWorld(t);
  assert.equal(await pay(app, { ca, apiKey: 'a key' }), 202);
  assert.equal(await pay(app, { ca, ...bank, apiKey: 'a key' }), 202);
  assert.equal(await pay(app, { ca, ...shop, apiKey: 'guessed' }), 401);
});

test('a certificate of another issuer, or one that has run out, is nobody', async (t) => {
  const { app, ca, authority } = await createWorld(t);
  const stranger = await (await createAuthority(t)).sign('shop.example');
  assert.equal(await pay(app, { ca, ...stranger }), 401);
  assert.equal(await pay(app, { ca, ...(await authority.sign('shop.example', -1)) }), 401);
});

test('where certificates are required, who has none does not get past the handshake', async (t) => {
  const { app, ca, shop } = await createWorld(t, true);
  assert.equal(await pay(app, { ca, ...shop }), 202);
  await assert.rejects(pay(app, { ca, apiKey: 'a key' }));
});

test('a client that does not speak TLS 1.2 is refused, and one that speaks plain HTTP', async (t) => {
  const { app, ca } = await createWorld(t);
  const old = connectTls({ host: '127.0.0.1', port: portOf(app), ca, servername: 'localhost', maxVersion: 'TLSv1.1' });
  await new Promise((resolve) => old.once('error', resolve));
  const plain = connect({ host: '127.0.0.1', port: portOf(app) });
  plain.write('GET /health/live HTTP/1.1\r\nHost: ingest\r\n\r\n');
  let answer = '';
  plain.on('data', (bytes) => {
    answer += bytes.toString('latin1');
  });
  await new Promise((resolve) => plain.once('close', resolve).once('error', resolve));
  assert.doesNotMatch(answer, /200 OK/);
});

async function write(folder: string, { cert, key }: { cert: Buffer; key: Buffer }, authority: CertificateAuthority) {
  const files = { cert: join(folder, 'cert'), key: join(folder, 'key'), ca: join(folder, 'ca') };
  await writeFile(files.key, key);
  await writeFile(files.cert, cert);
  await writeFile(files.ca, authority.ca);
  return files;
}

test('new certificates are for new connections, without a restart; a wrong pair changes nothing', async (t) => {
  const { app, authority, server, shop } = await createWorld(t);
  const folder = await createFolder(t);
  const files = await write(folder, server, authority);
  const watched = createWatched();
  const certificates = await openReloaded({
    name: 'http-certificates',
    files: Object.values(files),
    read: () => readHttpCertificates(files),
    onChange: (changed) => Object(app.server).setSecureContext({ ...TLS_OPTIONS, ...changed }),
    ...watched,
  });
  t.after(() => certificates.close());

  const another = await createAuthority(t);
  const next = await another.sign('localhost');
  // The key alone: for a moment the two do not fit.
  await writeFile(files.key, next.key);
  await certificates.look();
  assert.equal(await watched.failed(), 1);
  assert.equal(await pay(app, { ca: authority.ca, ...shop }), 202);

  await write(folder, next, another);
  await certificates.look();
  assert.equal(await watched.failed(), 0);
  assert.equal(await pay(app, { ca: another.ca, ...(await another.sign('shop.example')) }), 202);
  assert.equal(await pay(app, { ca: another.ca, ...shop }), 401);
  await assert.rejects(pay(app, { ca: authority.ca, ...shop }));
  assert.equal(watched.lines.join('').includes('PRIVATE'), false);
});

test('a file that is no certificate is refused with the settings that name it', async (t) => {
  const { authority, server } = await createWorld(t);
  const files = await write(await createFolder(t), server, authority);
  await writeFile(files.cert, 'not a certificate');
  await assert.rejects(readHttpCertificates(files), { code: 'certificate-file', message: /HTTP_TLS_CERT_FILE/ });
  const missing = { ...files, key: '/nowhere/key.pem' };
  await assert.rejects(readHttpCertificates(missing), { message: /HTTP_TLS_KEY_FILE: .* cannot be read/ });
});
