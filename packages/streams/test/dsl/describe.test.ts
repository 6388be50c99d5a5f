import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  count,
  defineProcessor,
  defineTopology,
  describe,
  keyValueStore,
  streamBuilder,
  toMermaid,
  tumbling,
} from '../../src/index.ts';
import { happenedTopic } from '../support/happened.ts';

const input = happenedTopic('input');
const places = happenedTopic('places');
const output = happenedTopic<{ id: string; key: string; atMs: number }>('output');

function builtTopology() {
  const builder = streamBuilder('app');
  const stage = builder.stage('per-card', { graceMs: 5, onError: 'stop' });
  const { large } = stage.stream(input).branch({ large: ({ amount }) => amount > 5 }, 'by amount');
  large
    .join(
      stage.global(places),
      ({ id }) => id,
      (value) => value,
    )
    .aggregate('minute', { windows: tumbling({ sizeMs: 60_000 }), aggregation: count(), emit: 'on-close', keysMax: 9 })
    .map(({ key, window }) => ({ id: '', key, atMs: window.startMs }), 'say "when"')
    .to(output);
  return builder.build();
}

test('a built processor is described with its steps; a side that nobody takes from is left out', () => {
  assert.equal(
    describe(builtTopology()),
    [
      'application app',
      '  processor per-card (grace 5 ms, on error stop)',
      '    inputs   input',
      '    globals  places',
      '    store    minute: tumbling windows of 60000 ms (count; grace 5 ms, at most 9 keys)',
      '    outputs  output',
      '    step     source (input)',
      '    step     by amount (branch) <- source',
      '    step     by amount.large (case) <- by amount',
      '    step     join (places) <- by amount.large',
      '    step     minute (aggregate on-close) <- join',
      '    step     say "when" (map) <- minute',
      '    step     sink (output) <- say "when"',
    ].join('\n'),
  );
});

test('a built processor is drawn as a frame around its steps', () => {
  assert.equal(
    toMermaid(builtTopology()),
    `flowchart LR
  n1(["input"])
  n2(["places"])
  n3(["output"])
  subgraph n4["per-card"]
  n5["source"]
  n6["by amount: branch"]
  n7["by amount.large: case"]
  n8["join"]
  n9["minute: aggregate on-close"]
  n10["say #quot;when#quot;: map"]
  n11["sink"]
  n9 --- n12[("minute")]
  end
  n5 --> n6
  n6 --> n7
  n7 --> n8
  n8 --> n9
  n9 --> n10
  n10 --> n11
  n1 --> n5
  n11 --> n3
  n2 -.-> n4`,
  );
});

test('a processor of one piece is drawn with its stores, and a topic between two processors once', () => {
  const onward = happenedTopic('onward');
  const store = keyValueStore<number>({ encode: String, decode: Number, entriesMax: 1 });
  const piece = { graceMs: 0, onError: 'stop', process: {} } as const;
  const topology = defineTopology({
    applicationId: 'app',
    processors: [
      defineProcessor({
        ...piece,
        name: 'one',
        inputs: { input },
        stores: { seen: store },
        outputs: { onward },
        process: { input: () => undefined },
      }),
      defineProcessor({
        ...piece,
        name: 'two',
        inputs: { onward },
        outputs: { output },
        process: { onward: () => undefined },
      }),
    ],
  });
  assert.equal(
    toMermaid(topology),
    `flowchart LR
  n1(["input"])
  n2(["onward"])
  n3(["output"])
  n4["one"]
  n1 --> n4
  n4 --- n5[("seen")]
  n4 --> n2
  n6["two"]
  n2 --> n6
  n6 --> n3`,
  );
});
