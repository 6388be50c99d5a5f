import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Answers what is not HTTP, or not in time, before there is a request: as problem details like everything else, and the
 * connection is closed, because nobody knows where a next request would begin. For Fastify's `clientErrorHandler`.
 */
export function createClientErrorHandler(onRefused: (status: number) => void = () => {}) {
  return (error: Error & { readonly code?: string }, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || socket.destroyed) return;
    const details = problemOf(error.code);
    onRefused(details.status);
    const pending = unanswered(socket);
    if (pending !== undefined) {
      pending.once('close', () => close(socket));
      return;
    }
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    const body = JSON.stringify(details);
    const head = [
      `HTTP/1.1 ${details.status} ${STATUS_CODES[details.status]}`,
      'Content-Type: application/problem+json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
    close(socket);
  };
}

/**
 * The answer that an earlier request of this connection, which arrived whole, still waits for. What is written now would
 * be taken for it, though its events may be kept. (Node's own handler looks at `_httpMessage`, too.)
 */
function unanswered(socket: Socket): ServerResponse | undefined {
  const { _httpMessage: answer } = socket as Socket & { readonly _httpMessage?: ServerResponse | null };
  return answer?.req.complete === true ? answer : undefined;
}

/** How long a client may take to read why it was refused. */
const CLOSE_MS_MAX = 2_000;

/** Ended, not destroyed: what was written would be lost with what is still being received. */
function close(socket: Socket): void {
  socket.end();
  setTimeout(() => socket.destroy(), CLOSE_MS_MAX).unref();
}

interface ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
}

function problem(status: number, name: string, title: string, detail: string): ProblemDetails {
  return { type: `urn:millrace:problem:${name}`, title, status, detail };
}

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
