import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSamples } from '../../src/supervisor/prometheus-text.ts';
import { createScreen } from '../../src/supervisor/screen.ts';
import { histogramQuantile, Totals } from '../../src/supervisor/totals.ts';

const SCRAPE = `# HELP http_total Requests.
# TYPE http_total counter
http_total{path="/a b",note="say \\"}\\""} 12
http_total 3.5e2
latency_bucket{le="+Inf"} 7 1700000000000
http_totals 5

`;

test('samples of the names asked for are read with their labels', () => {
  assert.deepEqual(parseSamples(SCRAPE, new Set(['http_total', 'latency_bucket', 'absent'])), [
    { name: 'http_total', labels: { path: '/a b', note: 'say \\"}\\"' }, value: 12 },
    { name: 'http_total', labels: {}, value: 350 },
    { name: 'latency_bucket', labels: { le: '+Inf' }, value: 7 },
  ]);
});

test('totals go on over the restart of a process, whose counters begin at zero', () => {
  const totals = new Totals();
  const take = (source: string, value: number) =>
    totals.take(source, [{ name: 'n', labels: {}, value }], () => 'events');
  take('enricher', 10);
  take('enricher', 25);
  take('enricher-2', 5);
  take('enricher', 4);
  take('enricher', 6);
  assert.equal(totals.get('events'), 25 + 5 + 6);
  assert.equal(totals.get('nothing'), 0);
});

test('a sample without a total is passed over', () => {
  const totals = new Totals();
  totals.take('sink', [{ name: 'n', labels: {}, value: 5 }], () => undefined);
  assert.deepEqual([...totals.snapshot()], []);
});

test('a quantile is interpolated within its bucket, and is the last finite bound beyond that', () => {
  const buckets = new Map([
    [0.1, 50],
    [0.2, 90],
    [Number.POSITIVE_INFINITY, 100],
  ]);
  assert.equal(histogramQuantile(0.25, buckets), 0.05);
  assert.equal(histogramQuantile(0.7, buckets), 0.15000000000000002);
  assert.equal(histogramQuantile(0.99, buckets), 0.2);
  assert.equal(histogramQuantile(0.99, new Map()), undefined);
});

test('on a terminal the status line stays below what is printed, and is cut to its width', () => {
  let written = '';
  const screen = createScreen({ isTTY: true, columns: 11, write: (text) => (written += text) });
  screen.status('0123456789abc');
  screen.print('news');
  assert.equal(written, '\r\u001B[2K0123456789\r\u001B[2Knews\n0123456789');
});

test('without a terminal the status line appears at most every 10 s', () => {
  const lines: string[] = [];
  let nowMs = 0;
  const screen = createScreen({ write: (text) => lines.push(text) }, () => nowMs);
  screen.status('first');
  nowMs = 9_999;
  screen.status('too soon');
  screen.print('news');
  nowMs = 10_000;
  screen.status('second');
  assert.deepEqual(lines, ['first\n', 'news\n', 'second\n']);
});
