import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '@millrace/observability';

function linesOf(log: (logger: ReturnType<typeof createLogger>) => void, level?: 'debug'): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  log(createLogger({ service: 'ingest', destination, ...(level && { level }) }));
  return lines;
}

test('a line carries the service, the level by name, a time that can be parsed and the message', () => {
  const [line] = linesOf((logger) => logger.info({ partition: 3 }, 'assigned'));
  assert.equal(line?.service, 'ingest');
  assert.equal(line?.level, 'info');
  assert.equal(line?.partition, 3);
  assert.equal(line?.msg, 'assigned');
  assert.ok(!Number.isNaN(Date.parse(String(line?.time))));
});

test('card ids, accounts, passwords and authorization headers are redacted at every logged depth', () => {
  const [line] = linesOf((logger) =>
    logger.warn({
      card_id: '4111111111111111',
      payment: { card_id: '4111111111111111', account_id: 'DE02', amount_minor: 5 },
      items: [{ card_id: '4111111111111111' }],
      headers: { authorization: 'Basic abc', 'x-api-key': 'k', host: 'here' },
      options: { password: 'p' },
    }),
  );
  assert.equal(line?.card_id, '[redacted]');
  assert.deepEqual(line?.payment, { card_id: '[redacted]', account_id: '[redacted]', amount_minor: 5 });
  assert.deepEqual(line?.items, [{ card_id: '[redacted]' }]);
  assert.deepEqual(line?.headers, { authorization: '[redacted]', 'x-api-key': '[redacted]', host: 'here' });
  assert.deepEqual(line?.options, { password: '[redacted]' });
});

test('an error is logged with its stack and its cause', () => {
  const [line] = linesOf((logger) =>
    logger.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'failed'),
  );
  const error = line?.err as { message: string; stack: string };
  assert.match(error.message, /outer.*inner/);
  assert.match(error.stack, /logger\.test\.ts/);
});

test('lines below the level are not written', () => {
  assert.equal(linesOf((logger) => logger.debug('quiet')).length, 0);
  assert.equal(linesOf((logger) => logger.debug('loud'), 'debug').length, 1);
});
