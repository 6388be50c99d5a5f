import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger, createMetrics, Health, registerAdminRoutes, startAdminServer } from '@millrace/observability';
import { fastify } from 'fastify';

const logger = createLogger({ service: 'test', level: 'silent' });

test('a process is ready when every registered component is, and not when none is registered', () => {
  const health = new Health();
  assert.equal(health.isReady(), false);
  health.set('kafka', { ready: true });
  health.set('restore', { ready: false, detail: '2 of 4 partitions' });
  assert.equal(health.isReady(), false);
  health.set('restore', { ready: true });
  assert.equal(health.isReady(), true);
});

test('the admin server answers metrics, liveness and readiness', async (t) => {
  const health = new Health();
  const server = await startAdminServer({ host: '127.0.0.1', port: 0, metrics: createMetrics('t'), health, logger });
  t.after(() => server.close());
  const get = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`);

  assert.match(await (await get('/metrics')).text(), /process_cpu_seconds_total/);
  assert.deepEqual(await (await get('/health/live')).json(), { live: true });
  health.set('kafka', { ready: false, detail: 'connecting' });
  const unready = await get('/health/ready');
  assert.equal(unready.status, 503);
  assert.deepEqual(await unready.json(), {
    ready: false,
    components: { kafka: { ready: false, detail: 'connecting' } },
  });
  health.set('kafka', { ready: true });
  assert.equal((await get('/health/ready?verbose')).status, 200);
  assert.equal((await get('/nothing')).status, 404);
});

test('what is mounted answers under its name, as JSON or as problem details', async (t) => {
  const options = { host: '127.0.0.1', port: 0, metrics: createMetrics('t'), health: new Health(), logger };
  const server = await startAdminServer(options);
  t.after(() => server.close());
  const get = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`);
  assert.equal((await get('/state')).status, 404);
  server.mount('state', async (url) =>
    url.pathname === '/state/none'
      ? { status: 404, body: { title: 'None' } }
      : { status: 200, body: { path: url.pathname, limit: url.searchParams.get('limit'), big: 2n ** 60n } },
  );
  const found = await get('/state/a%20b?limit=2');
  assert.equal(found.headers.get('content-type'), 'application/json; charset=utf-8');
  assert.deepEqual(await found.json(), { path: '/state/a%20b', limit: '2', big: '1152921504606846976' });
  const missing = await get('/state/none');
  assert.deepEqual([missing.status, missing.headers.get('content-type')], [404, 'application/problem+json']);
  assert.equal((await get('/stately')).status, 404);
  assert.equal((await fetch(`http://127.0.0.1:${server.port}/state`, { method: 'POST' })).status, 404);
});

test('a port that is taken is an error that names the setting', async (t) => {
  const options = { host: '127.0.0.1', metrics: createMetrics('t'), health: new Health(), logger };
  const first = await startAdminServer({ ...options, port: 0 });
  t.after(() => first.close());
  await assert.rejects(startAdminServer({ ...options, port: first.port }), {
    code: 'address-in-use',
    message: `Port ${first.port} on 127.0.0.1 is taken. Set METRICS_PORT to a free port, or stop what uses it.`,
  });
});

test('a Fastify app gets the same routes', async () => {
  const app = fastify();
  const health = new Health();
  registerAdminRoutes(app, { metrics: createMetrics('t'), health });
  assert.equal((await app.inject('/health/ready')).statusCode, 503);
  health.set('kafka', { ready: true });
  assert.equal((await app.inject('/health/ready')).statusCode, 200);
  assert.match((await app.inject('/metrics')).body, /process_cpu_seconds_total/);
});
