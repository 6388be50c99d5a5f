import assert from 'node:assert/strict';
import { hash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { createMetrics, Health } from '@millrace/observability';
import { readConfig } from '../../src/config.ts';
import { openMqtt } from '../../src/mqtt/open.ts';
import { createIngest, NOW_MS } from '../fixtures.ts';
import { connectPacket, createAuthority, createRawDevice } from './listener-fixture.ts';

/** The listener as the settings make it, with files in a folder of its own. */
async function createOpened(t: TestContext, settings: (folder: string) => Record<string, string>, files: object) {
  const folder = await mkdtemp(join(tmpdir(), 'mqtt-settings-'));
  t.after(() => rm(folder, { recursive: true }));
  /** Whole or not at all, as those who rotate credentials do it. */
  async function write(name: string, content: Buffer | object): Promise<void> {
    const file = join(folder, name);
    await writeFile(`${file}.new`, Buffer.isBuffer(content) ? content : JSON.stringify(content));
    await rename(`${file}.new`, file);
  }
  for (const [name, content] of Object.entries(files)) await write(name, content);
  const { routes, intake, ingestMetrics: metrics, logger } = await createIngest(t);
  const closes: (() => unknown)[] = [];
  const resources = {
    onClose: (_name: string, close: () => unknown) => closes.unshift(close),
    signal: t.signal,
    useLogger: () => {},
    fail: (error: unknown) => assert.fail(String(error)),
  };
  t.after(async () => {
    for (const close of closes) await close();
  });
  const [registry, health] = [createMetrics('ingest'), new Health()];
  const anyPort = { MQTT_PORT: '0', MQTT_WS_PORT: '0', MQTT_TLS_PORT: '0', MQTT_WSS_PORT: '0' };
  const config = readConfig({ ...anyPort, ...settings(folder) });
  const common = { config, routes, intake, metrics, registry, health, logger, nowMs: () => NOW_MS };
  const opened = (await openMqtt(resources, { ...common, sparkplug: undefined })) as {
    readonly mqtt: { readonly port: number; readonly tlsPort: number };
  };
  return { ...opened.mqtt, write, health };
}

const passwordOf = (device: string) => ({ device_id: device, sha256: hash('sha256', device) });

test('a device whose password is taken out of the file loses its connection, and the others keep theirs', async (t) => {
  const { port, write, health } = await createOpened(
    t,
    (folder) => ({ DEVICE_CREDENTIALS_FILE: join(folder, 'devices.json') }),
    { 'devices.json': { devices: [passwordOf('device-1'), passwordOf('device-2')] } },
  );
  assert.equal(health.isReady(), true);
  const [one, two] = [createRawDevice(t, port), createRawDevice(t, port)];
  one.send(connectPacket('device-1'));
  two.send(connectPacket('device-2'));
  assert.deepEqual([await one.answers(1), await two.answers(1)], [['connack'], ['connack']]);
  await write('devices.json', { devices: [passwordOf('device-2')] });
  await one.closed;
  assert.equal(two.socket.destroyed, false);
});

test('changed certificates are shown to new connections, without a restart', async (t) => {
  const authority = await createAuthority(t);
  const [before, after] = [await authority.sign('localhost'), await authority.sign('localhost')];
  const { tlsPort, write } = await createOpened(
    t,
    (folder) => ({ MQTT_TLS_CERT_FILE: join(folder, 'cert.pem'), MQTT_TLS_KEY_FILE: join(folder, 'key.pem') }),
    { 'cert.pem': before.cert, 'key.pem': before.key },
  );
  async function shown(): Promise<string> {
    const socket = connectTls({ host: 'localhost', port: tlsPort, ca: authority.ca });
    await once(socket, 'secureConnect');
    const { serialNumber = '' } = socket.getPeerX509Certificate() ?? {};
    socket.destroy();
    return serialNumber;
  }
  const serialOf = ({ cert }: { cert: Buffer }) => new X509Certificate(cert).serialNumber;
  assert.equal(await shown(), serialOf(before));
  // The certificate comes first, and does not go with the old key: it is used when the key is there as well.
  await write('cert.pem', after.cert);
  await sleep(2_500);
  assert.equal(await shown(), serialOf(before));
  await write('key.pem', after.key);
  while ((await shown()) !== serialOf(after)) await sleep(100);
});
