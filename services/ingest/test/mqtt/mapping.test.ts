import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileMapping } from '../../src/mqtt/mapping.ts';

const context = { deviceId: 'd-1', levels: { site: 'plant-7' }, receivedAtMs: 1_772_366_400_000 };

function compile(source: string) {
  const compiled = compileMapping(source);
  assert.ok('mapping' in compiled, 'fault' in compiled ? compiled.fault : '');
  return (payload: unknown) => compiled.mapping(payload, context);
}

test('a mapping sees the payload, the levels of the topic and the time of arrival', async () => {
  const mapping = compile(
    '{ "device": $topic.device_id, "at": $topic.site, "time": $received_at, "t": data.temp * 10 }',
  );
  const mapped = await mapping({ data: { temp: 2.5 } });
  assert.deepEqual({ ...(mapped as object) }, { device: 'd-1', at: 'plant-7', time: 1_772_366_400_000, t: 25 });
});

test('one payload may become several values', async () => {
  const mapped = await compile('samples.{ "t": v }')({ samples: [{ v: 1 }, { v: 2 }] });
  assert.deepEqual(JSON.parse(JSON.stringify(mapped)), [{ t: 1 }, { t: 2 }]);
});

test('an expression that is none is refused with its place', () => {
  const compiled = compileMapping('{\n  "metrics": {"t": }\n}');
  assert.ok('fault' in compiled);
  assert.match(compiled.fault, /is no JSONata expression: S0211 .* at line 2, column 20; correct it/);
});

test('an evaluation that fails says why and where', async () => {
  await assert.rejects(compile('{ "t":\n 5 + name }')({ name: 'x' }), /T2002 .* at line 2, column 4/);
});

test('an expression that does not end, nests without end, or makes a list without end is stopped', async () => {
  await assert.rejects(compile('($f := function($n) { $f($n + 1) }; $f(0))')({}), /D1012 .*timeout/);
  await assert.rejects(compile('($f := function($n) { 1 + $f($n + 1) }; $f(0))')({}), /D1011/);
  await assert.rejects(compile('[0..9000000]')({}), /D2015/);
});

test('what an expression stopped does not stop the next evaluation', async () => {
  const mapping = compile('($f := function($n) { $n = 0 ? 0 : 1 + $f($n - 1) }; $f(depth))');
  await assert.rejects(mapping({ depth: 1_000 }), /D1011/);
  assert.equal(await mapping({ depth: 3 }), 3);
});
