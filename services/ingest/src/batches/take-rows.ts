import { BATCH_PROBLEMS_MAX, type Problem, type TopicContract, type WireOptions } from '@millrace/contracts';
import { IngestError } from '../errors.ts';
import type { EventKindName } from '../event-kinds.ts';
import { LISTED_PROBLEMS_MAX, type LineProblem } from '../http/event-stream.ts';
import { checkEvent } from '../intake.ts';
import type { EventCounts } from '../metrics.ts';
import { FileFault, type Row, type RowSource } from './formats/rows.ts';
import type { Mapped, RowMapper } from './mapping/row-mapper.ts';
import type { RowSink, Settled } from './row-sinks.ts';

/** Rows of one batch that are settled at once; as many again may be read meanwhile. */
export const CHUNK_ROWS_MAX = 2_000;
/** A slow file is settled at least as often. */
const SETTLE_EVERY_MS = 500;

export interface RowTaker {
  readonly source: RowSource;
  readonly mapper: RowMapper;
  readonly sink: RowSink;
  readonly wireOptions: () => WireOptions;
  readonly countsOf: (kind: EventKindName) => EventCounts;
  /** Of the batch; counts the rows. */
  readonly kind: EventKindName;
  /** Called between rows, at most `CHUNK_ROWS_MAX` apart; what it waits for makes the sender wait. */
  readonly pace: (rows: number) => Promise<void>;
  /** Aborted when the service stops: the batch then ends with what is settled. */
  readonly signal: AbortSignal;
}

export interface BatchResult extends Settled {
  /** The first `LISTED_PROBLEMS_MAX`. */
  problems: LineProblem[];
  /** Problems that are not listed, of the rows that this sender has sent. */
  problemsOmitted: number;
  /** Rows that were settled already. */
  resumedAfterLine: number;
  /** Why the batch ended before its end: `IngestError`, `FileFault`, or what reading it threw. */
  failure?: unknown;
}

interface Chunk {
  readonly eventsByTopic: Map<TopicContract<unknown>, unknown[]>;
  rows: number;
  accepted: number;
  rejected: number;
  skipped: number;
  events: number;
  lastLine: number;
}

/**
 * Reads the rows of a batch, makes events of them, checks these, and settles them in order, one chunk at a time, while
 * the next one is read. A row is kept whole, with all events that it becomes, or refused whole.
 *
 * Delivery: that of the sink. A batch that ends early tells by `last_line_settled` what need not be sent again.
 */
export async function takeRows(taker: RowTaker): Promise<BatchResult> {
  const { source, mapper, sink, pace, signal } = taker;
  const result: BatchResult = {
    ...emptySettled(),
    ...sink.resumed,
    problems: [...(sink.resumed?.problems ?? [])] as LineProblem[],
    problemsOmitted: 0,
    resumedAfterLine: sink.resumed?.last_line_settled ?? 0,
  };
  const counts = taker.countsOf(taker.kind);
  let chunk = newChunk(result.last_line_settled);
  let inFlight: Promise<void> | undefined;
  let settledMs = performance.now();

  function refuse(line: number, problems: readonly Problem[]): void {
    chunk.rejected += 1;
    counts.refused(problems[0]?.code);
    for (const problem of problems) {
      if (result.problems.length < LISTED_PROBLEMS_MAX) result.problems.push({ line, ...problem });
      else result.problemsOmitted += 1;
    }
  }

  function take(line: number, mapped: Mapped, options: WireOptions): void {
    if ('problems' in mapped) {
      refuse(line, mapped.problems);
      return;
    }
    const checked = mapped.events.map(({ kind, input }) => ({ kind, checked: checkEvent(kind, input, options) }));
    const problems = checked.flatMap(({ checked: one }) => (one.ok ? [] : one.problems));
    if (problems.length > 0) {
      refuse(line, problems);
      return;
    }
    if (checked.length === 0) chunk.skipped += 1;
    else chunk.accepted += 1;
    for (const { kind, checked: one } of checked) {
      if (!one.ok) continue;
      const contract = kind.contractOf(one.event);
      const events = chunk.eventsByTopic.get(contract);
      if (events === undefined) chunk.eventsByTopic.set(contract, [one.event]);
      else events.push(one.event);
      chunk.events += 1;
    }
  }

  /** Settles what has been read, unless a chunk is in flight or it is too little yet. */
  function settleNext(atOnce: boolean): void {
    if (inFlight !== undefined || result.failure !== undefined || chunk.rows === 0) return;
    const isDue = chunk.rows >= CHUNK_ROWS_MAX || performance.now() - settledMs >= SETTLE_EVERY_MS;
    if (atOnce || isDue) inFlight = settle(false);
  }

  async function settle(done: boolean): Promise<void> {
    const settling = chunk;
    chunk = newChunk(settling.lastLine);
    const settled: Settled = {
      last_line_settled: settling.lastLine,
      received: result.received + settling.rows,
      accepted: result.accepted + settling.accepted,
      rejected: result.rejected + settling.rejected,
      skipped: result.skipped + settling.skipped,
      events: result.events + settling.events,
      problems: result.problems.slice(0, BATCH_PROBLEMS_MAX),
      done,
    };
    const parts = Array.from(settling.eventsByTopic, ([contract, events]) => ({ contract, events }));
    try {
      await sink.settle(parts, settled);
      const { problems: _kept, ...numbers } = settled;
      Object.assign(result, numbers);
      counts.accepted(settling.accepted);
    } catch (error) {
      counts.notKept(settling.accepted, error);
      result.failure ??= error;
    } finally {
      inFlight = undefined;
      settledMs = performance.now();
    }
  }

  async function takeAll(rows: readonly Row[]): Promise<void> {
    const options = taker.wireOptions();
    for (const { line, value, problem } of rows) {
      chunk.rows += 1;
      chunk.lastLine = line;
      if (problem !== undefined) refuse(line, [problem]);
      else {
        const mapped = mapper.map(value);
        take(line, mapped instanceof Promise ? await mapped : mapped, options);
      }
      if (chunk.rows < CHUNK_ROWS_MAX) continue;
      settleNext(false);
      while (chunk.rows >= CHUNK_ROWS_MAX && inFlight !== undefined) await inFlight;
      if (result.failure !== undefined) return;
      settleNext(false);
    }
  }

  try {
    for await (const rows of source.rows) {
      const fresh = rows.filter(({ line }) => line > result.resumedAfterLine);
      counts.received(fresh.length);
      await takeAll(fresh);
      await pace(fresh.length);
      settleNext(false);
      if (signal.aborted) result.failure ??= new IngestError('closed', 'The service is stopping.');
      if (result.failure !== undefined) break;
    }
  } catch (error) {
    result.failure ??= error;
  }
  while (inFlight !== undefined) await inFlight;
  if (result.failure === undefined) await settle(true);
  else if (result.failure instanceof FileFault) await settleBefore(result.failure);
  return result;

  /** What stands before the place where a file cannot be read is right all the same. */
  async function settleBefore(fault: FileFault): Promise<void> {
    if (chunk.rows === 0) return;
    delete result.failure;
    await settle(false);
    result.failure ??= fault;
  }
}

function emptySettled(): Settled {
  return {
    last_line_settled: 0,
    received: 0,
    accepted: 0,
    rejected: 0,
    skipped: 0,
    events: 0,
    problems: [],
    done: false,
  };
}

function newChunk(lastLine: number): Chunk {
  return { eventsByTopic: new Map(), rows: 0, accepted: 0, rejected: 0, skipped: 0, events: 0, lastLine };
}
