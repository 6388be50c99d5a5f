import type { WireOptions } from '@millrace/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { BatchStore } from '../batches/batch-store.ts';
import { type OpenFile, openFile } from '../batches/formats/open-file.ts';
import { FileFault, type RowSource } from '../batches/formats/rows.ts';
import { MappingError } from '../batches/mapping/mapping-file.ts';
import { compileMapper, type RowMapper } from '../batches/mapping/row-mapper.ts';
import { createDrySink, createPublishSink, openProgressSink, type RowSink } from '../batches/row-sinks.ts';
import { type BatchResult, takeRows } from '../batches/take-rows.ts';
import { IngestError } from '../errors.ts';
import type { EventKindName, EventKinds } from '../event-kinds.ts';
import type { EventCounts } from '../metrics.ts';
import type { Publisher } from '../publisher.ts';
import { type BatchRequest, invalidMapping } from './batch-request.ts';
import { HttpProblem, problem, problemFor, readAway } from './problems.ts';
import { pay, paymentOf, readPaced } from './stream-pace.ts';
import type { StreamSlots } from './stream-slots.ts';
import { traceparentOf } from './trace.ts';

export interface BatchRunner {
  readonly kinds: EventKinds;
  readonly publisher: Publisher;
  /** Not given: no batch can be resumed. */
  readonly store: BatchStore | undefined;
  readonly countsOf: (kind: EventKindName) => EventCounts;
  readonly wireOptions: () => WireOptions;
  /** Parquet files that are read at the same time; each holds a row group. */
  readonly parquetSlots: StreamSlots;
  readonly nowMs: () => number;
  /** Aborted when the service stops. */
  readonly signal: AbortSignal;
}

/** When the service stops, a batch that brings nothing for this long gets no answer. */
const CLOSE_MS_MAX = 2_000;

/**
 * Reads a file and answers with what became of its rows.
 *
 * Delivery: with a `batch_id` exactly once (see `openProgressSink`), without one at least once; a dry run keeps nothing.
 */
export async function runBatch(
  runner: BatchRunner,
  batch: BatchRequest,
  bytes: Parameters<typeof readPaced>[0],
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
): Promise<object> {
  const { signal } = runner;
  const sink = await openSink(runner, batch, request);
  const onStop = () => {
    setTimeout(() => request.raw.destroy(), CLOSE_MS_MAX).unref();
  };
  signal.addEventListener('abort', onStop, { once: true });
  try {
    if (sink.resumed?.done === true) {
      readAway(request.raw, reply, 200);
      return answerOf(batch, doneBefore(sink.resumed), []);
    }
    const inTurn: StreamSlots = batch.format === 'parquet' ? runner.parquetSlots : (work) => work();
    return await inTurn(() => readAndAnswer(runner, batch, bytes, sink, request));
  } finally {
    signal.removeEventListener('abort', onStop);
    await sink.close();
  }
}

async function readAndAnswer(
  runner: BatchRunner,
  batch: BatchRequest,
  bytes: Parameters<typeof readPaced>[0],
  sink: RowSink,
  request: FastifyRequest,
): Promise<object> {
  const payment = paymentOf(request, runner.signal);
  const file = await opened(() => openFile(readPaced(bytes, payment), batch.format, batch.mapping?.format));
  try {
    const mapper = mapperOf(runner, batch, file.source);
    const result = await takeRows({
      ...{ source: file.source, mapper, sink, kind: batch.kind, signal: runner.signal },
      wireOptions: runner.wireOptions,
      countsOf: batch.dryRun ? () => NO_COUNTS : runner.countsOf,
      async pace(rows) {
        payment.allowance?.spend(rows);
        // What was uploaded may be read for longer than a connection may be idle.
        payment.keepOpen();
        await pay(payment);
      },
    });
    const answer = answerOf(batch, result, mapper.unusedColumns);
    if (result.failure !== undefined) throw failureOf(result.failure, batch, answer, request);
    return answer;
  } finally {
    await file.close();
  }
}

async function openSink(runner: BatchRunner, batch: BatchRequest, request: FastifyRequest): Promise<RowSink> {
  const { batchId, kind, mappingSha256 } = batch;
  const traceparent = traceparentOf(request);
  if (batch.dryRun) return createDrySink();
  if (batchId === undefined) return createPublishSink(runner.publisher, traceparent);
  if (runner.store === undefined) {
    const detail = 'This instance keeps no progress of batches. Leave batch_id out.';
    throw new HttpProblem(problem(422, 'wrong-batch-id', 'Wrong batch', detail, { field: 'batch_id' }));
  }
  const known = await runner.store.progressOf(batchId);
  // Before the log is opened: who sends something else must not stop the sender of the batch.
  if (known !== undefined && (known.kind !== kind || known.mapping_sha256 !== mappingSha256)) throw differs(batchId);
  // Nobody is there any more, and somebody else may have begun where this one stopped.
  if (request.raw.socket.destroyed) throw new IngestError('closed', 'The sender has gone.');
  const claim = runner.store.claim(batchId);
  try {
    const sink = await openProgressSink({ claim, kind, mappingSha256, nowMs: runner.nowMs, traceparent });
    return {
      ...sink,
      async close() {
        await sink.close();
        claim.release();
      },
    };
  } catch (error) {
    claim.release();
    throw isTakenOver(error) ? takenOver(batchId, {}) : error;
  }
}

async function opened(open: () => Promise<OpenFile>): Promise<OpenFile> {
  try {
    return await open();
  } catch (error) {
    throw error instanceof FileFault ? faultProblem(error, {}) : error;
  }
}

function mapperOf({ kinds }: BatchRunner, { mapping, kind }: BatchRequest, { columns }: RowSource): RowMapper {
  try {
    return compileMapper({ mapping, kind: kinds[kind], kinds, columns });
  } catch (error) {
    throw error instanceof MappingError ? invalidMapping(error) : error;
  }
}

function doneBefore(settled: NonNullable<RowSink['resumed']>): BatchResult {
  return { ...settled, problemsOmitted: 0, resumedAfterLine: settled.last_line_settled } as BatchResult;
}

function answerOf(batch: BatchRequest, result: BatchResult, unusedColumns: readonly string[]): object {
  return {
    ...(batch.batchId === undefined ? {} : { batch_id: batch.batchId }),
    kind: batch.kind,
    format: batch.format,
    dry_run: batch.dryRun,
    done: result.done,
    received: result.received,
    accepted: result.accepted,
    rejected: result.rejected,
    skipped: result.skipped,
    events: result.events,
    problems: result.problems,
    problems_omitted: result.problemsOmitted,
    last_line_settled: result.last_line_settled,
    resumed_after_line: result.resumedAfterLine,
    unused_columns: unusedColumns,
  };
}

function failureOf(failure: unknown, batch: BatchRequest, answer: object, request: FastifyRequest): HttpProblem {
  if (failure instanceof FileFault) return faultProblem(failure, answer);
  if (isTakenOver(failure)) return takenOver(batch.batchId, answer);
  return new HttpProblem({ ...problemFor(failure, request), ...answer });
}

const STATUS = { 'malformed-file': 422, 'file-too-large': 413, 'unsupported-file': 415 } as const;
const TITLE = {
  'malformed-file': 'The file cannot be read',
  'file-too-large': 'The file is too large',
  'unsupported-file': 'Files of this kind are not read',
} as const;

function faultProblem(fault: FileFault, answer: object): HttpProblem {
  const where = fault.line === undefined ? {} : { line: fault.line };
  const details = problem(STATUS[fault.code], fault.code, TITLE[fault.code], fault.message, {
    field: 'file',
    ...where,
  });
  return new HttpProblem({ ...details, ...answer });
}

function isTakenOver(error: unknown): boolean {
  return error instanceof IngestError && error.code === 'taken-over';
}

function takenOver(batchId: string | undefined, answer: object): HttpProblem {
  const detail = `Another sender has taken over batch ${batchId}. GET /v1/batches/${batchId} tells how far it is; send one batch from one place.`;
  return new HttpProblem(problem(409, 'batch-taken-over', 'Batch taken over', detail, { ...answer }));
}

function differs(batchId: string): HttpProblem {
  const detail = `Batch ${batchId} was begun with another kind or mapping. Send it as it was, or under another batch_id.`;
  return new HttpProblem(problem(409, 'batch-differs', 'Another batch', detail, { field: 'batch_id' }));
}

/** What is only checked is not counted as received. */
const NO_COUNTS: EventCounts = {
  received: () => undefined,
  accepted: () => undefined,
  refused: () => undefined,
  notKept: () => undefined,
};
