import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { IngestMetrics } from '../metrics.ts';
import { PROBLEM_CONTENT_TYPE, type ProblemDetails, problem } from './problems.ts';

/**
 * Answers what is not HTTP, or not in time, before there is a request: as problem details like everything else, and the
 * connection is closed, because nobody knows where a next request would begin.
 */
export function createClientErrorHandler(metrics: Pick<IngestMetrics, 'httpRefused'>) {
  return (error: Error & { readonly code?: string }, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || socket.destroyed) return;
    const details = problemOf(error.code);
    metrics.httpRefused.inc({ reason: String(details.status) });
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    const body = JSON.stringify(details);
    const head = [
      `HTTP/1.1 ${details.status} ${STATUS_CODES[details.status]}`,
      `Content-Type: ${PROBLEM_CONTENT_TYPE}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
    ];
    // Ended, not destroyed: what was written would be lost with what is still being received.
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
    setTimeout(() => socket.destroy(), CLOSE_MS_MAX).unref();
  };
}

/** How long a client may take to read why it was refused. */
const CLOSE_MS_MAX = 2_000;

function problemOf(code: string | undefined): ProblemDetails {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return problem(408, 'head-too-slow', 'Request too slow', 'Send the whole head of a request at once.');
    case 'HPE_HEADER_OVERFLOW': {
      const detail = 'The headers are too large. Send fewer, or shorter ones.';
      return problem(431, 'headers-too-large', 'Headers too large', detail);
    }
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return problem(413, 'chunk-extensions-too-large', 'Body too large', 'Send chunks without extensions.');
    default: {
      const detail = 'This is not an HTTP/1.1 request that can be read. Correct its head or its chunks.';
      return problem(400, 'malformed-http', 'Malformed HTTP', detail);
    }
  }
}
