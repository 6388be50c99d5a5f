import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { MqttListenerOptions } from '../../src/mqtt/listener.ts';
import { READING } from '../fixtures.ts';
import { type CertificateAuthority, closed, createAuthority, createListener, until } from './listener-fixture.ts';

const noPassword = { username: undefined, password: undefined } as unknown as { username: string };

/** A listener with TLS, whose server certificate and issuer of devices are of one authority. */
async function createSecureListener(
  t: TestContext,
  authority: CertificateAuthority,
  clientCertificate: 'required' | 'optional' = 'optional',
  options: Partial<MqttListenerOptions> = {},
) {
  const server = await authority.sign('localhost');
  const tls = { ...server, clientCa: authority.ca, port: 0, webSocketPort: 0, clientCertificate };
  const fixture = await createListener(t, { tls, ...options });
  const { tlsPort, secureWebSocketPort } = fixture.listener.ports;
  const [tcp, webSocket] = [`mqtts://localhost:${tlsPort}`, `wss://localhost:${secureWebSocketPort}`];
  return { ...fixture, tcp, webSocket, server, ca: authority.ca };
}

for (const way of ['tcp', 'webSocket'] as const) {
  test(`a device logs in over TLS with its password (${way}), when it trusts the server's certificate`, async (t) => {
    const { connect, ca, values, ...urls } = await createSecureListener(t, await createAuthority(t));
    const client = await connect('device-1', { ca }, urls[way]);
    await client.publishAsync('devices/device-1/telemetry', JSON.stringify(READING), { qos: 1 });
    assert.deepEqual(values(), [['telemetry.raw', READING]]);
    await assert.rejects(connect('device-1', {}, urls[way]));
  });

  test(`a device logs in with a certificate in place of its password (${way}), as the device of the common name`, async (t) => {
    const authority = await createAuthority(t);
    const { connect, ca, values, ...urls } = await createSecureListener(t, authority);
    const device = await authority.sign('device-1');
    const client = await connect('', { ...noPassword, ca, ...device }, urls[way]);
    await client.publishAsync('devices/device-1/telemetry', JSON.stringify(READING), { qos: 1 });
    assert.deepEqual(values(), [['telemetry.raw', READING]]);
    const withUserName = await connect('device-1', { ca, ...device }, urls[way]);
    assert.equal(withUserName.connected, true);
    await assert.rejects(connect('device-2', { ca, ...device }, urls[way]));
    const foreign = closed(client);
    client.publish('devices/device-2/telemetry', JSON.stringify(READING), { qos: 1 });
    await foreign;
  });

  test(`a certificate of another issuer does not let in (${way}), not even with the right password`, async (t) => {
    const stranger = await (await createAuthority(t)).sign('device-1');
    const { connect, ca, refused, listener, ...urls } = await createSecureListener(t, await createAuthority(t));
    await assert.rejects(connect('device-1', { ca, ...stranger }, urls[way]));
    assert.deepEqual(await refused(), { certificate: 1 });
    assert.equal(listener.connections, 0);
  });

  test(`where a certificate is required nobody comes in without one (${way})`, async (t) => {
    const authority = await createAuthority(t);
    const { connect, ca, ...urls } = await createSecureListener(t, authority, 'required');
    await assert.rejects(connect('device-1', { ca }, urls[way]));
    const stranger = await (await createAuthority(t)).sign('device-1');
    await assert.rejects(connect('device-1', { ca, ...stranger }, urls[way]));
    const client = await connect('device-1', { ca, ...(await authority.sign('device-1')) }, urls[way]);
    assert.equal(client.connected, true);
  });
}

test('a certificate that has run out does not let in', async (t) => {
  const authority = await createAuthority(t);
  const { connect, ca, tcp, refused } = await createSecureListener(t, authority);
  const old = await authority.sign('device-1', -1);
  await assert.rejects(connect('device-1', { ca, ...old }, tcp));
  assert.deepEqual(await refused(), { certificate: 1 });
});

test('the listener is told the fingerprint, and a certificate that is revoked loses its connection', async (t) => {
  const authority = await createAuthority(t);
  const revoked = new Set<string>();
  const { connect, ca, tcp, listener } = await createSecureListener(t, authority, 'optional', {
    identify: ({ certificate }) =>
      certificate === undefined || revoked.has(certificate.sha256) ? undefined : certificate.commonName,
  });
  const [first, second] = [await authority.sign('device-1'), await authority.sign('device-2')];
  const clients = [await connect('device-1', { ca, ...first }, tcp), await connect('device-2', { ca, ...second }, tcp)];
  revoked.add(new X509Certificate(first.cert).fingerprint256.replaceAll(':', '').toLowerCase());
  const ended = clients[0] && closed(clients[0]);
  listener.recheck();
  await ended;
  assert.deepEqual([clients[1]?.connected, listener.clients], [true, 1]);
  await assert.rejects(connect('device-1', { ca, ...first }, tcp));
});

test('other certificates are used from now on, open connections stay, and wrong ones change nothing', async (t) => {
  const [before, after] = [await createAuthority(t), await createAuthority(t)];
  const { connect, ca, tcp, server, listener } = await createSecureListener(t, before);
  const old = await connect('device-1', { ca, ...(await before.sign('device-1')) }, tcp);
  assert.throws(() => listener.useCertificates({ cert: Buffer.from('nothing'), key: server.key }));
  const { key } = await before.sign('another');
  assert.throws(() => listener.useCertificates({ cert: server.cert, key }));
  const again = await connect('device-1', { ca, clientId: 'again' }, tcp);
  listener.useCertificates({ ...(await after.sign('localhost')), clientCa: after.ca });
  const newer = await connect('device-2', { ca: after.ca, ...(await after.sign('device-2')) }, tcp);
  assert.deepEqual([old.connected, again.connected, newer.connected], [true, true, true]);
  await assert.rejects(connect('device-3', { ca }, tcp));
  await assert.rejects(connect('device-1', { ca: after.ca, ...(await before.sign('device-1')) }, tcp));
});

test('handshakes that break off, and those that never begin, leave nothing behind', async (t) => {
  const { listener, connect, ca, tcp } = await createSecureListener(t, await createAuthority(t));
  const port = listener.ports.tlsPort ?? 0;
  const rubbish = [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(500, 0x16), Buffer.of(0x16, 3, 1, 2, 0, 1)];
  for (const bytes of [...rubbish, undefined]) {
    const socket = connectTcp(port, '127.0.0.1').on('error', () => {});
    await once(socket, 'connect');
    if (bytes !== undefined) socket.write(bytes);
    socket.end();
    socket.resume();
    await new Promise((resolve) => socket.once('close', resolve));
  }
  const options: ConnectionOptions = { port, host: '127.0.0.1', rejectUnauthorized: false };
  const begun = connectTls(options).on('error', () => {});
  await once(begun, 'secureConnect');
  await until(() => listener.connections === 1);
  begun.destroy();
  await until(() => listener.connections === 0 && listener.sockets === 0);
  assert.equal((await connect('device-1', { ca }, tcp)).connected, true);
});

test('the limit of connections counts handshakes too', async (t) => {
  const { listener, connect, ca, tcp, refused } = await createSecureListener(t, await createAuthority(t), 'optional', {
    connectionsMax: 1,
  });
  const idle = connectTcp(listener.ports.tlsPort ?? 0, '127.0.0.1');
  await once(idle, 'connect');
  await until(() => listener.sockets === 1);
  await assert.rejects(connect('device-1', { ca }, tcp));
  assert.deepEqual(await refused(), { connections: 1 });
  idle.destroy();
  await until(() => listener.sockets === 0);
  assert.equal((await connect('device-1', { ca }, tcp)).connected, true);
});
