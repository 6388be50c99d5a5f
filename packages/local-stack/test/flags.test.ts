import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { parseResetFlags, parseStartFlags } from '../src/flags.ts';

test('without flags: well-known ports, the default folder, modest traffic, one instance', () => {
  assert.deepEqual(parseStartFlags([], '/repository/.millrace'), {
    portBase: undefined,
    dataDir: '/repository/.millrace',
    traffic: { rate: 50, devices: 200 },
    instances: 1,
  });
});

test('every flag is read, and a relative folder counts from where the command was typed', () => {
  const args = ['--port-base', '21000', '--data', 'here', '--rate', '500', '--devices=2000', '--instances', '2'];
  assert.deepEqual(parseStartFlags(args, '/unused'), {
    portBase: 21_000,
    dataDir: resolve('here'),
    traffic: { rate: 500, devices: 2_000 },
    instances: 2,
  });
  assert.equal(parseStartFlags(['--no-traffic'], '/unused').traffic, undefined);
});

const BAD: [string[], RegExp][] = [
  [['--port-base', 'abc'], /--port-base takes a whole number from 1024 to 65520, not "abc"/],
  [['--port-base', '65521'], /not "65521"/],
  [['--rate', '0'], /--rate takes a whole number from 1 to 100000, not "0"/],
  [['--rate', '1.5'], /not "1.5"/],
  [['--instances', '5'], /--instances takes a whole number from 1 to 4, not "5"/],
  [['--data', ''], /--data takes the path of a folder/],
  [['--no-traffic', '--rate', '5'], /contradict each other/],
  [['--speed', '5'], /Unknown option '--speed'/],
  [['everything'], /Unexpected argument 'everything'/],
];

for (const [args, message] of BAD) {
  test(`"${args.join(' ')}" is refused with the usage`, () => {
    assert.throws(
      () => parseStartFlags(args, '/unused'),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'bad-flag');
        assert.match(error.message, message);
        assert.match(error.message, /usage: npm start -- /);
        return true;
      },
    );
  });
}

test('reset takes a folder and nothing else', () => {
  assert.deepEqual(parseResetFlags(['--data', '/x'], '/unused'), { dataDir: '/x' });
  assert.throws(() => parseResetFlags(['--rate', '1'], '/unused'), { code: 'bad-flag' });
});
