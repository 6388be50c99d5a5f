import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressesOf } from '../../src/cli/addresses.ts';
import { type Command, type Flags, parseCommand } from '../../src/cli/flags.ts';

const COMMAND = {
  usage: 'npm run example -- FILE [flags]',
  summary: 'An example.',
  flags: {
    rate: { kind: 'number', help: 'payments per second', byDefault: 50, min: 0, max: 100 },
    speed: { kind: 'text', help: 'how fast', byDefault: 'max', choices: ['max', 'slow'] },
    name: { kind: 'text', help: 'any' },
    json: { kind: 'switch', help: 'as JSON' },
  },
  files: { min: 1, max: 1 },
} as const satisfies Command<Flags>;

function parse(argv: readonly string[]) {
  const parsed = parseCommand(COMMAND, argv);
  assert.ok(parsed.help === undefined);
  return { values: { ...parsed.values }, files: parsed.files };
}
const usage = (message: RegExp) => ({ name: 'SimulatorError', code: 'usage', message });

describe('flags', () => {
  it('have defaults, types and names', () => {
    const { values, files } = parse(['--rate', '7.5', 'a.csv', '--json', '--speed=slow']);
    assert.deepEqual(values, { rate: 7.5, speed: 'slow', name: undefined, json: true });
    assert.deepEqual(files, ['a.csv']);
    assert.deepEqual(parse(['a.csv']).values, { rate: 50, speed: 'max', name: undefined, json: false });
  });

  it('that are wrong are named, with what they take', () => {
    assert.throws(
      () => parseCommand(COMMAND, ['a', '--rate', 'x']),
      usage(/^--rate x: it takes a number from 0 to 100\.$/),
    );
    assert.throws(() => parseCommand(COMMAND, ['a', '--rate', '101']), usage(/^--rate 101:/));
    assert.throws(() => parseCommand(COMMAND, ['a', '--speed', 'fast']), usage(/^--speed fast: it takes max, slow\.$/));
    assert.throws(() => parseCommand(COMMAND, ['a', '--wrong']), usage(/--wrong[\s\S]*usage: npm run example/));
    assert.throws(() => parseCommand(COMMAND, ['a', '--rate']), usage(/--rate/));
    assert.throws(() => parseCommand(COMMAND, []), usage(/^A file is needed\./));
    assert.throws(() => parseCommand(COMMAND, ['a', 'b']), usage(/"b"/));
  });

  it('are explained by --help, whatever else is missing', () => {
    const { help } = parseCommand(COMMAND, ['--help']);
    assert.match(help ?? '', /usage: npm run example/);
    assert.match(help ?? '', /--rate N +payments per second \(50\)/);
    assert.match(help ?? '', /--speed max\|slow +how fast \(max\)/);
  });
});

describe('addresses', () => {
  const none = { 'port-base': undefined, ingest: undefined, api: undefined, mqtt: undefined };

  it('are the well-known ports of this machine, or those behind a port base, or what a flag says', () => {
    assert.deepEqual(addressesOf(none), {
      ingest: 'http://127.0.0.1:8080',
      api: 'http://127.0.0.1:8090',
      mqtt: 'mqtt://127.0.0.1:1883',
    });
    assert.deepEqual(addressesOf({ ...none, 'port-base': 22_000, mqtt: 'mqtts://broker:8883' }), {
      ingest: 'http://127.0.0.1:22000',
      api: 'http://127.0.0.1:22001',
      mqtt: 'mqtts://broker:8883',
    });
  });

  it('that are no URLs are refused', () => {
    assert.throws(
      () => addressesOf({ ...none, ingest: 'localhost:8080' }),
      usage(/--ingest localhost:8080.*http:\/\//),
    );
    assert.throws(() => addressesOf({ ...none, mqtt: 'http://x' }), usage(/--mqtt http:\/\/x.*mqtt:\/\//));
  });
});
