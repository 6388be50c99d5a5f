import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePorts, stackPorts } from '../src/ports.ts';
import { checkDisk, checkJava, checkMaven, checkPorts, javaVersion } from '../src/preflight.ts';

/** A program that prints `text` to standard error, as `java -version` does. */
async function createProgram(t: TestContext, text: string, exitCode = 0): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'millrace-preflight-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'java');
  await writeFile(file, `#!/bin/sh\necho '${text}' >&2\nexit ${exitCode}\n`);
  await chmod(file, 0o755);
  return file;
}

test('the feature release is read from the old and the new way Java writes its version', () => {
  assert.equal(javaVersion('openjdk version "17.0.15" 2025-04-15'), 17);
  assert.equal(javaVersion('java version "1.8.0_402"'), 8);
  assert.equal(javaVersion('openjdk version "25" 2025-09-16'), 25);
  assert.equal(javaVersion('Unable to locate a Java Runtime'), undefined);
});

test('Java that is not there is named, with how to install it and how to do without', async () => {
  await assert.rejects(checkJava('/nowhere/bin/java'), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'java-missing');
    assert.match(error.message, /"\/nowhere\/bin\/java" could not be run.*JAVA_HOME.*KAFKA_BROKERS/);
    return true;
  });
});

test('a stand-in that only says there is no Java counts as none', async (t) => {
  await assert.rejects(checkJava(await createProgram(t, 'Unable to locate a Java Runtime', 1)), {
    code: 'java-missing',
  });
});

test('Java 11 is too old and 17 is not', async (t) => {
  await assert.rejects(checkJava(await createProgram(t, 'openjdk version "11.0.2" 2019-01-15')), {
    code: 'java-too-old',
    message: /needs Java 17 or later, and ".*" is version 11/,
  });
  await checkJava(await createProgram(t, 'openjdk version "17.0.1" 2021-10-19'));
});

test('Maven that is not there is named, with how to install it', async () => {
  await assert.rejects(checkMaven('/nowhere/mvn'), { code: 'maven-missing', message: /apt-get install maven/ });
});

test('too little disk says how much there is, how much is needed, and what to do', async () => {
  await checkDisk(tmpdir(), 1);
  await assert.rejects(checkDisk(tmpdir(), 2 ** 60), {
    code: 'disk-too-small',
    message: /Only \d+ MiB are free .* 1099511627776 MiB are needed.*npm run reset.*--data DIR/,
  });
});

test('every taken port is named with its part and the flag that moves it', async (t) => {
  const [taken, free] = (await freePorts(2)) as [number, number];
  const server = createServer().listen(taken, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  await assert.rejects(checkPorts({ ingest: taken, api: free }), {
    code: 'port-taken',
    message: new RegExp(`Taken by another program: port ${taken} \\(ingest\\)\\. .*--port-base N`),
  });
});

test('a port that becomes free while the parts of a killed run stop is waited for', async (t) => {
  const [port] = (await freePorts(1)) as [number];
  const server = createServer().listen(port, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  setTimeout(() => server.close(), 50);
  await checkPorts({ kafka: port }, 10_000);
});

test('the ports are the well-known ones, and move together with a base', () => {
  assert.deepEqual(stackPorts(), {
    ingest: 8080,
    api: 8090,
    mqtt: 1883,
    mqttWebSocket: 8083,
    mqttTls: 8883,
    kafka: 9092,
    kafkaController: 9093,
    clickhouse: 8123,
    metrics: { ingest: 9401, enricher: 9402, 'fraud-detector': 9403, sink: 9404, api: 9405 },
  });
  assert.deepEqual(stackPorts(21_000), {
    ingest: 21_000,
    api: 21_001,
    mqtt: 21_002,
    mqttWebSocket: 21_003,
    mqttTls: 21_004,
    kafka: 21_005,
    kafkaController: 21_006,
    clickhouse: 21_007,
    metrics: { ingest: 21_011, enricher: 21_012, 'fraud-detector': 21_013, sink: 21_014, api: 21_015 },
  });
});
