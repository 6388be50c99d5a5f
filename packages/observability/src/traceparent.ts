import { randomFillSync } from 'node:crypto';

export interface TraceContext {
  /** 32 lowercase hexadecimal digits. */
  readonly traceId: string;
  /** 16 lowercase hexadecimal digits: the span that the bearer is a child of. */
  readonly parentId: string;
  readonly sampled: boolean;
}

/** A W3C Trace Context `traceparent` of a new trace (https://www.w3.org/TR/trace-context/#traceparent-header). */
export function newTraceparent(sampled = true): string {
  if (tracesAt === traces.length) renewTraces();
  tracesAt += TRACEPARENT_LENGTH;
  // From bytes, a text is one piece of memory; put together from parts, it would be six.
  const traceparent = traces.toString('latin1', tracesAt - TRACEPARENT_LENGTH, tracesAt);
  return sampled ? traceparent : `${traceparent.slice(0, -1)}0`;
}

/** `undefined` for what the recommendation calls invalid; the receiver then starts a new trace. */
export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const match = text === undefined ? null : TRACEPARENT.exec(text);
  if (match === null) return undefined;
  const [, version = '', traceId = '', parentId = '', flags = '', rest = ''] = match;
  if (version === 'ff' || (version === '00' && rest !== '')) return undefined;
  if (traceId === ZERO_TRACE_ID || parentId === ZERO_PARENT_ID) return undefined;
  return { traceId, parentId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The same trace and sampling decision with a new parent id; a new trace when `text` is missing or invalid. */
export function childOf(text: string | undefined): string {
  return childrenOf(text)();
}

/** `childOf` for many children of the same: the text is read once. */
export function childrenOf(text: string | undefined): () => string {
  const context = parseTraceparent(text);
  if (context === undefined) return newTraceparent;
  const before = `00-${context.traceId}-`;
  const behind = context.sampled ? '-01' : '-00';
  // The parent id of a new trace is as random as any.
  return () => before + newTraceparent().slice(PARENT_ID_AT, PARENT_ID_AT + 2 * PARENT_ID_BYTES) + behind;
}

/** Random bytes are asked for many at a time: a call for a few takes longer than all else that an event needs of them. */
const POOL_TRACES = 128;
const HEX = '0123456789abcdef';
const TRACE_ID_BYTES = 16;
const PARENT_ID_BYTES = 8;
const TRACE_RANDOM_BYTES = TRACE_ID_BYTES + PARENT_ID_BYTES;
/** `00-<trace id>-<parent id>-01` */
const TRACE_ID_AT = 3;
const PARENT_ID_AT = 36;
const TRACEPARENT_LENGTH = 55;
const random = Buffer.allocUnsafeSlow(POOL_TRACES * TRACE_RANDOM_BYTES);
/** Each is given out once. Only the ids in it are ever written anew. */
const traces = Buffer.from(`00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`.repeat(POOL_TRACES));
let tracesAt = traces.length;

function renewTraces(): void {
  randomFillSync(random);
  let at = 0;
  for (let from = 0; from < random.length; from += TRACE_RANDOM_BYTES) {
    at = writeHex(from, from + TRACE_ID_BYTES, at + TRACE_ID_AT);
    at = writeHex(from + TRACE_ID_BYTES, from + TRACE_RANDOM_BYTES, at + 1);
    at += TRACEPARENT_LENGTH - PARENT_ID_AT - 2 * PARENT_ID_BYTES;
  }
  tracesAt = 0;
}

/** Digits of the random bytes; returns where the next byte goes. */
function writeHex(from: number, to: number, start: number): number {
  let at = start;
  for (let index = from; index < to; index += 1) {
    const byte = random[index] ?? 0;
    traces[at++] = HEX.charCodeAt(byte >> 4);
    traces[at++] = HEX.charCodeAt(byte & 15);
  }
  return at;
}

// A version after 00 may append fields after another dash (section 3.2.4), which is why the end is open.
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZERO_TRACE_ID = '0'.repeat(32);
const ZERO_PARENT_ID = '0'.repeat(16);
