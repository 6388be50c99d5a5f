import type { Generator } from './generator.ts';
import type { LoadResult, LoadTask } from './load/task.ts';
import type { System, Target } from './system.ts';
import { machineCpuUs, usageOf } from './usage.ts';

/** One measured window. CPU figures are zero where there is no /proc. */
export interface Measured extends LoadResult {
  readonly target: string;
  readonly kind: LoadTask['kind'];
  /** CPU time of each in the window; of the target all its threads. */
  readonly targetCpuUs: number;
  readonly kafkaCpuUs: number;
  /** Cores that were busy with anything else on this machine. */
  readonly othersCores: number;
  /** Of the target. */
  readonly peakRssBytes: number;
}

const RSS_EVERY_MS = 100;

export async function measure(system: System, generator: Generator, target: Target, task: LoadTask): Promise<Measured> {
  const pid = target.part.pid;
  const sample = () => ({ target: usageOf(pid).cpuUs, kafka: usageOf(system.kafka.pid).cpuUs, all: machineCpuUs() });
  let begin = sample();
  let end = begin;
  let peakRssBytes = 0;
  const timer = setInterval(() => {
    peakRssBytes = Math.max(peakRssBytes, usageOf(pid).rssBytes);
  }, RSS_EVERY_MS);
  try {
    const result = await generator.run(task, {
      onBegin: () => {
        begin = sample();
      },
      onEnd: () => {
        end = sample();
      },
    });
    const targetCpuUs = end.target - begin.target;
    const kafkaCpuUs = end.kafka - begin.kafka;
    const othersUs = end.all - begin.all - targetCpuUs - kafkaCpuUs - result.cpuUs;
    const othersCores = Math.max(0, othersUs / 1e6 / result.seconds);
    const { kind } = task;
    return { ...result, target: target.part.name, kind, targetCpuUs, kafkaCpuUs, othersCores, peakRssBytes };
  } finally {
    clearInterval(timer);
  }
}

export interface Row {
  readonly what: string;
  readonly perSecond: number;
  readonly targetUs: number;
  readonly kafkaUs: number;
  readonly generatorUs: number;
  readonly othersCores: number;
  readonly peakRssMiB: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly refused: number;
  /** Events per second of each window, where there were several. */
  readonly turns: readonly number[];
}

/** Several windows of one kind as one row: rates and CPU over all of them, latencies as the middle one of the windows. */
export function toRow(what: string, windows: readonly Measured[]): Row {
  const sum = (of: (window: Measured) => number) => windows.reduce((total, window) => total + of(window), 0);
  const middle = (of: (window: Measured) => number) => windows.map(of).sort((a, b) => a - b)[windows.length >> 1] ?? 0;
  const events = sum((window) => window.events);
  return {
    what,
    perSecond: Math.round(events / sum((window) => window.seconds)),
    targetUs: round(sum((window) => window.targetCpuUs) / events, 1),
    kafkaUs: round(sum((window) => window.kafkaCpuUs) / events, 1),
    generatorUs: round(sum((window) => window.cpuUs) / events, 1),
    othersCores: round(sum((window) => window.othersCores) / windows.length, 2),
    peakRssMiB: Math.round(Math.max(...windows.map((window) => window.peakRssBytes)) / 2 ** 20),
    p50Ms: round(
      middle((window) => window.latencyMs.p50),
      1,
    ),
    p99Ms: round(
      middle((window) => window.latencyMs.p99),
      1,
    ),
    maxMs: round(Math.max(...windows.map((window) => window.latencyMs.max)), 1),
    refused: sum((window) => window.refused),
    turns: windows.map((window) => Math.round(window.events / window.seconds)),
  };
}

export function round(value: number, digits: number): number {
  return Number.isFinite(value) ? Number(value.toFixed(digits)) : 0;
}
