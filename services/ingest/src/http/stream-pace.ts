import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { HttpProblem, problem } from './problems.ts';
import type { Allowance } from './rate-limit.ts';

/** What a stream has to bring in each window in which it was read, so that nobody holds one open for nothing. */
export interface StreamPace {
  readonly bytesMin: number;
  readonly windowMs: number;
}

/** A payment has 300 bytes. Who has less to say in a minute can send single events. */
export const STREAM_PACE: StreamPace = { bytesMin: 1_024, windowMs: 60_000 };

/** How a stream is slowed that is faster than its key may be. */
export interface StreamPayment {
  readonly allowance: Allowance | null;
  /** Called while reading pauses: nothing moves on the connection then, and it is not the sender's fault. */
  readonly keepOpen: () => void;
  readonly signal: AbortSignal;
}

/** Shorter than the idle time of a socket. */
const PAUSE_MS_MAX = 5_000;

export function paymentOf({ allowance, raw }: FastifyRequest, signal: AbortSignal): StreamPayment {
  const { socket } = raw;
  // Setting it starts it anew.
  return { allowance, signal, keepOpen: () => socket.setTimeout(socket.timeout ?? 0) };
}

/**
 * The chunks of a body, as fast as the sender may be and no slower than `pace`. What the reader spends of the allowance
 * is earned before the next chunk is read.
 *
 * @throws {HttpProblem} 408 when the sender is slower; time that the reader took, or paused for, does not count
 */
export async function* readPaced(body: Readable, payment: StreamPayment, pace = STREAM_PACE): AsyncGenerator<Buffer> {
  let bytes = 0;
  let heldMs = 0;
  let heldSince: number | undefined;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    if (heldSince !== undefined) heldMs += nowMs - heldSince;
    const waited = pace.windowMs - heldMs > pace.windowMs / 2;
    // To whoever iterates below. Destroying the body would close the connection before the answer.
    if (waited && heldSince === undefined && bytes < pace.bytesMin) body.emit('error', tooSlow(pace));
    bytes = 0;
    heldMs = 0;
    if (heldSince !== undefined) heldSince = nowMs;
  }, pace.windowMs);
  try {
    // Destroying a request ends its connection, and the answer with it.
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length;
      heldSince = performance.now();
      yield chunk;
      await pay(payment);
      heldMs += performance.now() - heldSince;
      heldSince = undefined;
    }
  } finally {
    clearInterval(timer);
  }
}

/** Waits until the sender has earned what was spent. */
export async function pay({ allowance, keepOpen, signal }: StreamPayment): Promise<void> {
  if (allowance === null) return;
  for (let ms = allowance.debtMs(); ms > 0 && !signal.aborted; ms = allowance.debtMs()) {
    keepOpen();
    await pause(Math.min(ms, PAUSE_MS_MAX), signal);
  }
}

/** Ends early when the signal is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}

function tooSlow({ bytesMin, windowMs }: StreamPace): HttpProblem {
  const seconds = windowMs / 1_000;
  const detail = `The stream brought less than ${bytesMin} bytes in ${seconds} s. Go on with the line after last_line_settled, faster, or with single events.`;
  return new HttpProblem(problem(408, 'stream-too-slow', 'Stream too slow', detail));
}
