import type { Row } from './measure.ts';

export interface Aim {
  readonly what: string;
  readonly aim: string;
  readonly measured: number;
  readonly reached: boolean;
}

/** More than this many cores busy with other things, and the rates say little: CPU per event and ratios still do. */
export const OTHERS_CORES_MAX = 0.2;

export function tableOf(rows: readonly Row[]): string {
  const head = ['', 'events/s', 'us', 'Kafka us', 'load us', 'others', 'MiB', 'p50 ms', 'p99 ms', 'max ms', 'refused'];
  const cells = rows.map((row) => [
    row.what,
    row.perSecond.toLocaleString('en'),
    row.targetUs.toFixed(1),
    row.kafkaUs.toFixed(1),
    row.generatorUs.toFixed(1),
    row.othersCores.toFixed(2),
    String(row.peakRssMiB),
    row.p50Ms.toFixed(1),
    row.p99Ms.toFixed(1),
    row.maxMs.toFixed(1),
    String(row.refused),
  ]);
  const widths = head.map((name, column) => Math.max(name.length, ...cells.map((row) => row[column]?.length ?? 0)));
  return [head, ...cells]
    .map((row) =>
      row
        .map((cell, column) => pad(cell, widths[column] ?? 0, column))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function aimsText(aims: readonly Aim[]): string {
  return aims
    .map(
      ({ what, aim, measured, reached }) =>
        `  ${what.padEnd(58)} ${String(measured).padStart(9)}  ${aim.padEnd(14)} ${reached ? 'reached' : 'MISSED'}`,
    )
    .join('\n');
}

/** The first column holds words, the others numbers. */
function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
