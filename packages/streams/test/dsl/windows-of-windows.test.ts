import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { count, createTestDriver, streamBuilder, sum, tumbling, type Windowed } from '../../src/index.ts';
import { type Happened, happenedTopic } from '../support/happened.ts';

const input = happenedTopic('input');
const output = happenedTopic<Omit<Happened, 'amount'> & { readonly total: number }>('output');
const tooLate = happenedTopic<Omit<Happened, 'amount'>>('too-late');

/** Counts in windows of 10 ms, and sums of those counts in windows of 100 ms. */
function createTopology() {
  const builder = streamBuilder('test');
  const inner = builder
    .stage('stage', { graceMs: 5, onError: 'stop' })
    .stream(input)
    .aggregate('inner', { windows: tumbling({ sizeMs: 10 }), aggregation: count(), emit: 'on-close', keysMax: 10 });
  const outer = inner.aggregate('outer', {
    windows: tumbling({ sizeMs: 100 }),
    aggregation: sum(({ result }: Windowed<number>) => result),
    emit: 'on-close',
    graceMs: 6,
    keysMax: 10,
  });
  outer.map(({ key, window, result }) => ({ id: '', key, atMs: window.startMs, total: result })).to(output);
  outer.late.map(({ key, window }) => ({ id: '', key, atMs: window.startMs })).to(tooLate);
  return builder.build();
}

test('windows of windows lose nothing, however far time jumps', () => {
  const someEvents = fc
    .array(
      fc.record({
        key: fc.constantFrom('a', 'b'),
        step: fc.oneof(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 5_000 })),
        restart: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      }),
      { maxLength: 60 },
    )
    .map((events) => {
      let atMs = -300;
      return events.map(({ key, step, restart }, index) => {
        atMs += step;
        return { restart, value: { id: `e${index}`, key, atMs, amount: 1 } };
      });
    });
  fc.assert(
    fc.property(someEvents, (events) => {
      const driver = createTestDriver(createTopology());
      for (const { restart, value } of events) {
        if (restart) driver.restart();
        driver.pipe(input.name, { value });
      }
      driver.advanceTo(1_000_000);
      const wanted = new Map<string, number>();
      for (const { value } of events) {
        const window = `${value.key} ${Math.floor(value.atMs / 100) * 100}`;
        wanted.set(window, (wanted.get(window) ?? 0) + 1);
      }
      const found = driver
        .output<{ key: string; atMs: number; total: number }>(output.name)
        .map(({ key, atMs, total }): [string, number] => [`${key} ${atMs}`, total]);
      assert.deepEqual(driver.output(tooLate.name), []);
      assert.equal(found.length, wanted.size);
      assert.deepEqual(new Map(found), wanted);
    }),
  );
});
