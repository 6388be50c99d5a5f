import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Problem, WireOptions } from '@millrace/contracts';
import { IngestError } from '../errors.ts';
import type { EventKind } from '../event-kinds.ts';
import { checkEvent, publishEvents } from '../intake.ts';
import type { EventCounts } from '../metrics.ts';
import type { Publisher } from '../publisher.ts';
import { createLineSplitter } from './lines.ts';
import { readPaced, type StreamPayment } from './stream-pace.ts';

/** Events of one stream that are handed to the publisher at once; as many again may be read meanwhile. */
export const CHUNK_EVENTS_MAX = 1_000;
/** Problems that an answer lists; the others are only counted. */
export const LISTED_PROBLEMS_MAX = 100;
/** How long a stream waits for Kafka before it is ended with 503; shorter than a socket's idle time. */
export const STALL_MS_MAX = 20_000;
/** When the service stops, a stream that brings nothing for this long gets no answer. */
const CLOSE_MS_MAX = 2_000;

export interface StreamSources {
  readonly kind: EventKind;
  readonly publisher: Publisher;
  readonly counts: EventCounts;
  readonly wireOptions: () => WireOptions;
  readonly traceparent: string | undefined;
  /** Aborted when the service stops: the stream is then ended with what is settled by then. */
  readonly signal: AbortSignal;
  /** How fast the sender may be. */
  readonly payment: StreamPayment;
}

export interface LineProblem extends Problem {
  readonly line: number;
}

export interface StreamResult {
  received: number;
  accepted: number;
  rejected: number;
  /** The first `LISTED_PROBLEMS_MAX`. */
  readonly problems: LineProblem[];
  problemsOmitted: number;
  /** Everything up to here is kept or rejected; after a failure the sender goes on with the next line. */
  lastLineSettled: number;
  /** Why the stream ended before its end: `IngestError`, or what reading it threw. */
  failure?: unknown;
}

/**
 * Takes events line by line, for as long as the body lasts.
 *
 * Delivery: events are published in order, one chunk at a time, while the next one is read; reading stops while a
 * chunk is full, which pauses the sender's socket, so a stream holds two chunks at most. A chunk that Kafka did not
 * confirm is published again (its ids make that harmless) until `STALL_MS_MAX` have passed.
 */
export async function takeEventStream(body: Readable, sources: StreamSources): Promise<StreamResult> {
  const { counts, kind, wireOptions, signal, payment } = sources;
  const result: StreamResult = {
    received: 0,
    accepted: 0,
    rejected: 0,
    problems: [],
    problemsOmitted: 0,
    lastLineSettled: 0,
  };
  let events: unknown[] = [];
  let lastLine = 0;
  let inFlight: Promise<void> | undefined;
  let options = wireOptions();

  const splitter = createLineSplitter((line, text) => {
    lastLine = line;
    if (typeof text === 'string' && BLANK.test(text)) return;
    result.received += 1;
    const problems = typeof text === 'string' ? takeLine(text) : [text];
    if (problems === undefined) return;
    result.rejected += 1;
    counts.refused(problems[0]?.code);
    for (const problem of problems) {
      if (result.problems.length < LISTED_PROBLEMS_MAX) result.problems.push({ line, ...problem });
      else result.problemsOmitted += 1;
    }
  });

  function takeLine(text: string): readonly Problem[] | undefined {
    const input = parseLine(text);
    if (input === undefined) return NOT_JSON;
    const checked = checkEvent(kind, input, options);
    if (!checked.ok) return checked.problems;
    events.push(checked.event);
    return undefined;
  }

  /** Publishes what has been read, unless a chunk is in flight: then its end calls this again. */
  function publishNext(): void {
    if (inFlight !== undefined || result.failure !== undefined) return;
    const chunk = events;
    const chunkEnd = lastLine;
    if (chunk.length === 0) {
      result.lastLineSettled = chunkEnd;
      return;
    }
    events = [];
    inFlight = keep(chunk, sources).then(
      () => {
        result.accepted += chunk.length;
        result.lastLineSettled = chunkEnd;
        counts.accepted(chunk.length);
        inFlight = undefined;
        publishNext();
      },
      (error: unknown) => {
        counts.notKept(chunk.length, error);
        result.failure = error;
        inFlight = undefined;
      },
    );
  }

  const onStop = () => {
    setTimeout(() => body.destroy(), CLOSE_MS_MAX).unref();
  };
  signal.addEventListener('abort', onStop, { once: true });
  try {
    for await (const bytes of readPaced(body, payment)) {
      options = wireOptions();
      const before = result.received;
      splitter.push(bytes);
      counts.received(result.received - before);
      payment.allowance?.spend(result.received - before);
      publishNext();
      while (events.length >= CHUNK_EVENTS_MAX && inFlight !== undefined) await inFlight;
      if (signal.aborted) result.failure ??= new IngestError('closed', 'The service is stopping.');
      if (result.failure !== undefined) break;
    }
    if (result.failure === undefined) {
      const before = result.received;
      splitter.end();
      counts.received(result.received - before);
      publishNext();
    }
  } catch (error) {
    result.failure ??= error;
  } finally {
    signal.removeEventListener('abort', onStop);
  }
  while (inFlight !== undefined) await inFlight;
  return result;
}

async function keep(events: readonly unknown[], { publisher, kind, traceparent }: StreamSources): Promise<void> {
  const deadlineMs = performance.now() + STALL_MS_MAX;
  for (;;) {
    try {
      return await publishEvents(publisher, kind, events, traceparent);
    } catch (error) {
      const again = error instanceof IngestError && error.retriable && error.code !== 'closed';
      const leftMs = deadlineMs - performance.now();
      if (!again || leftMs <= 0) throw error;
      await Promise.race([publisher.whenReady(), sleep(leftMs)]);
    }
  }
}

/** `undefined` for what is not JSON (which has no such value). */
function parseLine(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const BLANK = /^\s*$/;
const NOT_JSON: readonly Problem[] = [
  { field: '', code: 'malformed', message: 'The line is not valid JSON. Send one JSON object per line.' },
];
