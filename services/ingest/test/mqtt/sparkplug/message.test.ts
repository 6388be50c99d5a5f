import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Telemetry } from '@millrace/contracts';
import fc from 'fast-check';
import { NOW_MS } from '../../fixtures.ts';
import { createReader, DBIRTH, encode, NBIRTH } from './edge.ts';

const T = NOW_MS - 1_000;
const ONLINE = { sequence: 9_007_199_254_740_991, metrics: { online: true } };
const OFFLINE = { sequence: 9_007_199_254_740_990, metrics: { online: false } };
/** Sequences of data are made of the content: tested by what they are for, not by value. */
const plain = (readings: readonly Telemetry[]) =>
  readings.map(({ sequence = 0, ...rest }) => ({
    ...rest,
    ...(rest.attributes && { attributes: { ...rest.attributes } }),
    ...(sequence > 2 ** 48 && { sequence }),
  }));
/** Data as Sparkplug 3 sends it: an alias and a value, no name and no type. */
const byAlias = (alias: number, field: Record<string, unknown>) => encodeRaw([{ alias, timestamp: T, ...field }]);

test('a birth is online, with its numbers as metrics and its texts as attributes', () => {
  const { take } = createReader();
  assert.deepEqual(plain(take('Plant 1/NBIRTH/Edge', NBIRTH).readings), [
    { device_id: 'Plant_x20_1:Edge', event_time: T, ...ONLINE },
    { device_id: 'Plant_x20_1:Edge', event_time: T, metrics: { Load: 0.5 }, attributes: { Serial: 'A-17' } },
  ]);
  assert.deepEqual(plain(take('Plant 1/DBIRTH/Edge/Pump', DBIRTH).readings), [
    { device_id: 'Plant_x20_1:Edge:Pump', event_time: T, ...ONLINE },
    { device_id: 'Plant_x20_1:Edge:Pump', event_time: T, metrics: { Temp_x20__xC2B0_C: 21, Running: true } },
  ]);
});

test('data names its metrics by the aliases of the birth, and leaves their types to it', () => {
  const { take, asked } = createReader();
  take('g/NBIRTH/e', NBIRTH);
  take('g/DBIRTH/e/d', DBIRTH);
  const data = take('g/DDATA/e/d', byAlias(10, { intValue: 4_294_967_291 })); // -5 as Int16 on the wire
  assert.deepEqual(data.refusals, []);
  assert.deepEqual(plain(data.readings), [{ device_id: 'g:e:d', event_time: T, metrics: { Temp_x20__xC2B0_C: -5 } }]);
  assert.deepEqual(asked, []);
});

test('an alias belongs to its node or device, also when another uses the same number', () => {
  const { take } = createReader();
  take('g/NBIRTH/e', NBIRTH);
  take('g/DBIRTH/e/d', { seq: 1, metrics: [{ name: 'Own', alias: 1, type: 'Int32', value: 7 }] });
  take('h/NBIRTH/e', { seq: 0, metrics: [{ name: 'Other', alias: 1, type: 'Int32', value: 7 }] });
  const names = (topic: string) => take(topic, byAlias(1, { intValue: 8 })).readings.map(({ metrics }) => metrics);
  assert.deepEqual([names('g/DDATA/e/d'), names('h/NDATA/e')], [[{ Own: 8 }], [{ Other: 8 }]]);
});

test('an alias without its birth is refused with its bytes, the rest is taken, and the node is asked for its births', () => {
  const { take, asked } = createReader();
  const bytes = encodeRaw([
    { alias: 10, intValue: 5 },
    { name: 'Load', datatype: 10, doubleValue: 0.25, timestamp: T },
  ]);
  const { readings, refusals } = take('g/NDATA/e', bytes);
  assert.deepEqual(plain(readings), [{ device_id: 'g:e', event_time: T, metrics: { Load: 0.25 } }]);
  assert.deepEqual([refusals.length, refusals[0]?.reason, refusals[0]?.bytes], [1, 'unknown-alias', bytes]);
  assert.match(refusals[0]?.message ?? '', /The birth of g:e has not been seen, so 1 of 2 metrics/);
  assert.deepEqual(asked, ['g/e']);
});

test('a birth makes the aliases of the one before void', () => {
  const { take } = createReader();
  take('g/NBIRTH/e', NBIRTH);
  take('g/DBIRTH/e/d', DBIRTH);
  take('g/NBIRTH/e', { seq: 0, metrics: [{ name: 'bdSeq', type: 'Int64', value: 4 }] });
  for (const [topic, alias] of [
    ['g/NDATA/e', 1],
    ['g/DDATA/e/d', 10],
  ] as const) {
    assert.equal(take(topic, byAlias(alias, { intValue: 1 })).refusals[0]?.reason, 'unknown-alias');
  }
});

test('the death of a node takes its devices offline, unless it is of an earlier connection', async () => {
  const { take, clock, counted } = createReader();
  const death = (bdSeq: number) => ({ metrics: [{ name: 'bdSeq', type: 'Int64', value: bdSeq }], timestamp: T });
  take('g/NBIRTH/e', NBIRTH);
  take('g/DBIRTH/e/d', DBIRTH);
  take('g/DBIRTH/e/f', DBIRTH);
  assert.deepEqual(take('g/NDEATH/e', death(2)), { readings: [], refusals: [] });
  assert.deepEqual(await counted('skipped_total'), { 'stale-death': 1 });
  clock.nowMs = NOW_MS + 60_000;
  // Its will was made when it connected: the time of the death is now.
  const offline = ['g:e', 'g:e:d', 'g:e:f'].map((device_id) => ({ device_id, event_time: clock.nowMs, ...OFFLINE }));
  assert.deepEqual(plain(take('g/NDEATH/e', death(3)).readings), offline);
  assert.deepEqual(plain(take('g/NDEATH/e', death(3), true).readings), offline);
  assert.equal(take('unknown/NDEATH/e', death(9)).readings[0]?.device_id, 'unknown:e');
});

test('the death of a device is its own, at the time that the node says', () => {
  const { take } = createReader();
  take('g/NBIRTH/e', NBIRTH);
  take('g/DBIRTH/e/d', DBIRTH);
  const { readings } = take('g/DDEATH/e/d', { seq: 2 });
  assert.deepEqual(plain(readings), [{ device_id: 'g:e:d', event_time: T, ...OFFLINE }]);
});

test('metrics of one time share a reading, others have their own, and historical ones say so', () => {
  const { take } = createReader();
  const { readings } = take('g/NDATA/e', {
    seq: 1,
    metrics: [
      { name: 'a', type: 'Int32', value: 1, timestamp: T },
      { name: 'b', type: 'Int32', value: 2, timestamp: T - 5 },
      { name: 'c', type: 'Int32', value: 3, timestamp: T },
      { name: 'a', type: 'Int32', value: 0, timestamp: T - 9, isHistorical: true },
      { name: 'd', type: 'Int32', value: 4 },
    ],
  });
  assert.deepEqual(plain(readings), [
    { device_id: 'g:e', event_time: T, metrics: { a: 1, c: 3, d: 4 } },
    { device_id: 'g:e', event_time: T - 5, metrics: { b: 2 } },
    { device_id: 'g:e', event_time: T - 9, metrics: { a: 0 }, attributes: { historical: true } },
  ]);
});

test('more metrics than a reading holds, or one twice at the same time, are several readings that stay apart', () => {
  const { take } = createReader();
  const metrics = Array.from({ length: 150 }, (_, index) => ({ name: `m${index}`, type: 'Int32', value: 1 }));
  const { readings } = take('g/NDATA/e', { seq: 1, metrics: [...metrics, { name: 'm149', type: 'Int32', value: 2 }] });
  assert.deepEqual(
    readings.map((reading) => Object.keys(reading.metrics).length),
    [64, 64, 22, 1],
  );
  assert.equal(new Set(readings.map(({ sequence }) => sequence)).size, 4);
});

test('a message that comes again gives the same readings, with the same identity', () => {
  const value = fc.oneof(
    fc.integer({ min: -100, max: 100 }).map((value) => ({ type: 'Int32', value })),
    fc.boolean().map((value) => ({ type: 'Boolean', value })),
    fc.string({ maxLength: 20 }).map((value) => ({ type: 'String', value })),
    fc.constant({ type: 'Int32', value: null }),
  );
  const name = fc.constantFrom('a', 'b', 'c d', 'e');
  const time = fc.integer({ min: T - 3, max: T });
  const metrics = fc.array(
    fc.record({ name, value, timestamp: time }).map(({ value, ...rest }) => ({ ...rest, ...value })),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(metrics, (list) => {
      const [first, second] = [createReader(), createReader()];
      const readings = first.take('g/NDATA/e', { seq: 1, metrics: list }).readings;
      assert.deepEqual(first.take('g/NDATA/e', { seq: 1, metrics: list }, true).readings, readings);
      assert.deepEqual(second.take('g/NDATA/e', { seq: 9, metrics: list }).readings, readings);
      // Brute force: each number or boolean is in a reading of its time, and readings of one time differ.
      const samples = (of: readonly (readonly [string, number, unknown])[]) =>
        of.map((one) => JSON.stringify(one)).toSorted();
      const expected = list
        .filter((one) => one.value !== null && typeof one.value !== 'string')
        .map((one) => [one.name === 'c d' ? 'c_x20_d' : one.name, one.timestamp, one.value] as const);
      const found = readings.flatMap((reading) =>
        Object.entries(reading.metrics)
          .filter(([metric]) => metric !== 'online')
          .map(([metric, sample]) => [metric, reading.event_time, sample] as const),
      );
      assert.deepEqual(samples(found), samples(expected));
      const contents = new Set(readings.map((reading) => JSON.stringify({ ...reading, sequence: 0 })));
      assert.equal(
        new Set(readings.map(({ event_time, sequence }) => `${event_time}/${sequence}`)).size,
        contents.size,
      );
    }),
  );
});

test('texts without a number are a reading that says online', () => {
  const { take } = createReader();
  const { readings } = take('g/NDATA/e', { seq: 1, metrics: [{ name: 'firmware', type: 'String', value: '1.2' }] });
  assert.equal(readings.length, 1);
  assert.deepEqual({ ...readings[0]?.metrics }, { online: true });
  assert.deepEqual(Object.values(readings[0]?.attributes ?? {}), ['1.2']);
});

test('what a reading does not hold is skipped and counted, and refused when nothing else is there', async () => {
  const { take, counted } = createReader();
  const bytes = { name: 'image', type: 'Bytes', value: Buffer.from('x') };
  const { readings, refusals } = take('g/NDATA/e', {
    seq: 1,
    metrics: [bytes, { name: 'n', type: 'Int32', value: null }, { name: 'ok', type: 'Int32', value: 1 }],
  });
  assert.deepEqual([readings.length, refusals.length], [1, 0]);
  assert.deepEqual(await counted('skipped_total'), { type: 1, null: 1 });
  assert.equal(take('g/NDATA/e', { seq: 2, metrics: [bytes] }).refusals[0]?.reason, 'no-reading');
  assert.deepEqual(take('g/NDATA/e', { seq: 3, metrics: [{ name: 'n', type: 'Int32', value: null }] }), {
    readings: [],
    refusals: [],
  });
});

test('a value that has not changed for months is no reading of a birth, and too old for data', async () => {
  const { take, counted } = createReader();
  const old = { name: 'a', type: 'Int32', value: 1, timestamp: T - 90 * 86_400_000 };
  const birth = take('g/NBIRTH/e', { seq: 0, metrics: [old] });
  assert.deepEqual([birth.readings.length, birth.refusals.length], [1, 0]);
  assert.deepEqual(await counted('skipped_total'), { 'too-old': 1 });
  const { readings, refusals } = take('g/NDATA/e', { seq: 1, metrics: [old, { ...old, timestamp: T }] });
  assert.deepEqual([readings.length, refusals.map(({ reason }) => reason)], [1, ['invalid-event']]);
});

test('bytes that are not Sparkplug are refused as they are', () => {
  const { take } = createReader();
  const bytes = Buffer.from('{"metrics": {}}');
  const { readings, refusals } = take('g/NDATA/e', bytes);
  assert.deepEqual(
    [readings, refusals.map(({ reason }) => reason), refusals[0]?.bytes],
    [[], ['malformed-sparkplug'], bytes],
  );
});

test('a card number is a token in a reading, and covered in what is refused', () => {
  const { take } = createReader();
  const card = { name: 'card_id', alias: 5, type: 'String', value: '4242 4242 4242 4242', timestamp: T };
  const unknown = { name: 'x', alias: 6, type: 'Int32', value: 1, timestamp: T - 90 * 86_400_000 };
  const { readings, refusals } = take('g/NDATA/e', { seq: 1, metrics: [card, unknown] });
  assert.deepEqual({ ...readings[0]?.attributes }, { card_id: '4242424242424242' }); // The test's tokens are the digits.
  const [refusal] = refusals;
  const bytes = Buffer.from(refusal?.bytes ?? []);
  assert.deepEqual(
    [refusal?.reason, bytes.includes('xxxx xxxx xxxx xxxx'), bytes.includes('4242')],
    ['invalid-event', true, false],
  );
  assert.equal(bytes.length, encode({ seq: 1, metrics: [card, unknown] }).length);
});

test('a gap in the sequence is counted, and the node is asked for its births', async () => {
  const { take, asked, counted } = createReader();
  take('g/NBIRTH/e', NBIRTH);
  take('g/DBIRTH/e/d', DBIRTH);
  take('g/DDATA/e/d', { seq: 2 });
  for (let seq = 3; seq < 256; seq += 1) take('g/NDATA/e', { seq });
  take('g/NDATA/e', { seq: 0 });
  take('g/NDATA/e', { seq: 255 }, true);
  assert.deepEqual([asked, await counted('gaps_total')], [[], { '': 0 }]);
  take('g/NDATA/e', { seq: 2 });
  assert.deepEqual([asked, await counted('gaps_total')], [['g/e'], { '': 1 }]);
  take('g/NDATA/e', { seq: 3 });
  assert.deepEqual(await counted('gaps_total'), { '': 1 });
});

test('a node is asked again after a time only, all nodes together so many times a second, and a birth ends it', async () => {
  const { take, asked, clock, counted } = createReader({ rebirthMsMin: 10_000, rebirthsPerSecondMax: 2 });
  const data = { seq: 1 };
  for (const node of ['a', 'a', 'b', 'c', 'd']) take(`g/NDATA/${node}`, data);
  assert.deepEqual(asked, ['g/a', 'g/b']);
  clock.nowMs += 1_000;
  for (const node of ['a', 'b', 'c', 'd']) take(`g/NDATA/${node}`, data);
  assert.deepEqual(asked, ['g/a', 'g/b', 'g/c', 'g/d']);
  take('g/NBIRTH/a', NBIRTH);
  clock.nowMs += 10_000;
  take('g/NDATA/a', data);
  clock.canAsk = false;
  take('g/NDATA/b', data);
  assert.deepEqual(asked.length, 4);
  assert.deepEqual(await counted('rebirths_total'), { requested: 4, 'put-off': 2, impossible: 1 });
});

test('nodes are remembered up to a limit, and the one that has been quiet the longest is forgotten first', async () => {
  const { take, nodes, asked, counted } = createReader({ nodesMax: 3 });
  for (const node of ['a', 'b', 'c']) take(`g/NBIRTH/${node}`, NBIRTH);
  take('g/NDATA/a', { seq: 1 });
  take('g/NBIRTH/d', NBIRTH);
  assert.deepEqual([nodes.size, await counted('nodes_forgotten_total')], [3, { '': 1 }]);
  assert.equal(take('g/NDATA/a', byAlias(1, { doubleValue: 1 })).refusals.length, 0);
  assert.deepEqual(asked, []);
  assert.equal(take('g/NDATA/b', byAlias(1, { doubleValue: 1 })).refusals[0]?.reason, 'unknown-alias');
  assert.deepEqual(asked, ['g/b']);
});

test('the metrics of all births are remembered up to a limit, and a birth counts as one more', () => {
  const { take, nodes } = createReader({ metricsMax: 12 });
  take('g/NBIRTH/a', NBIRTH);
  take('g/NBIRTH/a', NBIRTH);
  take('g/DBIRTH/a/d', DBIRTH);
  assert.deepEqual([nodes.size, nodes.metrics], [1, 4 + 1 + 2 + 1]);
  take('g/NBIRTH/b', NBIRTH);
  assert.deepEqual([nodes.size, nodes.metrics], [1, 4 + 1]);
  assert.equal(take('g/NDATA/b', byAlias(1, { doubleValue: 1 })).refusals.length, 0);
});

/** Protobuf written without the codec's encoder, which sends a type always. */
function encodeRaw(metrics: readonly Record<string, unknown>[]): Uint8Array {
  const FIELDS: Record<string, [number, 'varint' | 'double' | 'text']> = {
    name: [1, 'text'],
    alias: [2, 'varint'],
    timestamp: [3, 'varint'],
    datatype: [4, 'varint'],
    intValue: [10, 'varint'],
    doubleValue: [13, 'double'],
  };
  const encodeMetric = (metric: Record<string, unknown>) =>
    Buffer.concat(
      Object.entries(metric).map(([field, value]) => {
        const [number, type] = FIELDS[field] ?? assert.fail(field);
        if (type === 'varint') return Buffer.from([number << 3, ...varint(BigInt(value as number))]);
        if (type === 'text') return Buffer.concat([lengthPrefixed(number, Buffer.from(String(value)))]);
        const bytes = Buffer.alloc(8);
        bytes.writeDoubleLE(value as number);
        return Buffer.concat([Buffer.from([(number << 3) | 1]), bytes]);
      }),
    );
  return Buffer.concat(metrics.map((metric) => lengthPrefixed(2, encodeMetric(metric))));
}

function lengthPrefixed(number: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...varint(BigInt(bytes.length))]), bytes]);
}

function varint(value: bigint): number[] {
  return value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...varint(value >> 7n)];
}
