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
  const ids = randomHex(24);
  return `00-${ids.slice(0, 32)}-${ids.slice(32)}-${sampled ? '01' : '00'}`;
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
  return () => before + randomHex(8) + behind;
}

/** Random bytes are asked for many at a time: a call for a few takes longer than all else that an event needs of them. */
const POOL_BYTES = 4_096;
const pool = Buffer.allocUnsafeSlow(POOL_BYTES);
let poolAt = POOL_BYTES;

/** Each byte of the pool is given out once. */
function randomHex(bytes: number): string {
  if (poolAt + bytes > POOL_BYTES) {
    randomFillSync(pool);
    poolAt = 0;
  }
  poolAt += bytes;
  return pool.toString('hex', poolAt - bytes, poolAt);
}

// A version after 00 may append fields after another dash (section 3.2.4), which is why the end is open.
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZERO_TRACE_ID = '0'.repeat(32);
const ZERO_PARENT_ID = '0'.repeat(16);
