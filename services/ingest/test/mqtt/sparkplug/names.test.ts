import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { metricName, sparkplugId } from '../../../src/mqtt/sparkplug/names.ts';

test('an id of plain names joins them, and other characters are written by their bytes', () => {
  assert.equal(sparkplugId('Plant_1', 'Edge-7.a'), 'Plant_1:Edge-7.a');
  assert.equal(sparkplugId('Plant 1', 'Ü', 'a:b'), 'Plant_x20_1:_xC39C_:a_x3A_b');
  assert.equal(sparkplugId('a_x20_b'), 'a_x5F_x20_b');
  assert.equal(sparkplugId('g', ''), undefined);
  assert.equal(sparkplugId('g', 'x'.repeat(126)), `g:${'x'.repeat(126)}`);
  assert.equal(sparkplugId('g', 'x'.repeat(127)), undefined);
});

/** The way back, as the README describes it. */
const readBack = (id: string) =>
  id
    .split(':')
    .map((part) => part.replace(/_x((?:[0-9A-F]{2})+)_/g, (_, hex: string) => Buffer.from(hex, 'hex').toString()));

test('every id can be read back, so no two devices share one', () => {
  const name = fc.string({
    unit: fc.constantFrom('a', 'x', '_', ':', ' ', '2', '0', 'é', '🙂'),
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(fc.array(name, { minLength: 2, maxLength: 3 }), (names) => {
      const id = sparkplugId(...names);
      if (id !== undefined) assert.deepEqual(readBack(id), names);
    }),
  );
});

test('a metric keeps a name that it may have', () => {
  for (const name of ['temperature', 'Inputs/A', 'a.b:c_d-e/9', '0']) assert.equal(metricName(name), name);
  assert.equal(metricName('Motor Speed (rpm)'), 'Motor_x20_Speed_x20__x28_rpm_x29_');
});

test('a name that cannot be written is cut, and told from others by a digest', () => {
  // printf '%s' ... | sha256sum | cut -c1-10
  assert.equal(metricName('/a'), 'a-6a50dc8584');
  assert.equal(metricName('constructor'), 'constructor-e3c1703abf');
  const long = `${'x'.repeat(70)}1`;
  assert.match(metricName(long), /^x{53}-[0-9a-f]{10}$/);
  assert.notEqual(metricName(long), metricName(`${'x'.repeat(70)}2`));
  assert.match(metricName('___'), /^[0-9a-f]{10}$/);
});

test('whatever a metric is called, the contract takes its name', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), (name) => {
      assert.match(metricName(name), /^(?!constructor$|prototype$)[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$/);
    }),
  );
});
