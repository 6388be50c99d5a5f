import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HttpProblem, problem } from './problems.ts';

/** One event is under 8 KiB; 1,000 of typical size are 300 KiB. Counted after decompression. */
export const BODY_BYTES_MAX = 4 * 1024 * 1024;

/**
 * How request bodies are read: `application/json` whole (bounded in bytes and time), `application/x-ndjson` as a stream,
 * both also with `Content-Encoding: gzip`. Anything else is refused with 415.
 */
export function registerBodyParsers(app: FastifyInstance, bodyMsMax: number): void {
  app.removeAllContentTypeParsers();
  // Names that would reach a prototype are refused, not removed: the sender should know.
  const json = app.getDefaultJsonParser('error', 'error');
  const deadlines = createBodyDeadlines(bodyMsMax);
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    deadlines.met(request);
    // Decoding would put U+FFFD in the place of what is wrong, and somebody's name would never be found again.
    if (!isUtf8(body)) {
      done(notUtf8());
      return;
    }
    const text = body.toString();
    const event = parsePlain(text);
    if (event === undefined) json(request, text, done);
    else done(null, event);
  });
  app.addContentTypeParser(NDJSON_TYPES, (_request, payload, done) => done(null, payload));

  app.addHook('preParsing', (request, reply, payload, done) => {
    const encoding = request.headers['content-encoding'];
    if (!isNdjson(request) && !isForm(request)) deadlines.watch(request, reply);
    if (encoding === undefined || encoding === 'identity') done(null, payload);
    else if (encoding.toLowerCase() === 'gzip') done(null, inflate(payload));
    else done(unsupportedEncoding());
  });
}

export function isNdjson(request: FastifyRequest): boolean {
  return NDJSON.test(request.headers['content-type'] ?? '');
}

/** A form with a file, which is read as a stream by the one route that takes it. */
export function isForm(request: FastifyRequest): boolean {
  return FORM.test(request.headers['content-type'] ?? '');
}

const FORM = /^multipart\/form-data(?:$|[\s;])/i;
const NDJSON_TYPES = ['application/x-ndjson', 'application/jsonl'];
const NDJSON = /^application\/(?:x-ndjson|jsonl)(?:$|[\s;])/i;

/**
 * What a JSON text holds; `undefined` when it is none, or could have a name that reaches a prototype: then Fastify's
 * parser says what is wrong. Looking for the few letters costs a tenth of its two regular expressions.
 */
function parsePlain(text: string): unknown {
  if (text.includes('\\') || text.includes('__proto__') || text.includes('constructor')) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

interface BodyDeadlines {
  /** From now on the body of this request has its time. */
  watch(request: FastifyRequest, reply: FastifyReply): void;
  /** The body is there. */
  met(request: FastifyRequest): void;
}

/**
 * Ends bodies that take longer than `bodyMsMax`, and up to a quarter more. One timer for all: most bodies are there in
 * the turn of the event loop in which they began, and a timer with its listeners for each would cost more than the body.
 */
function createBodyDeadlines(bodyMsMax: number): BodyDeadlines {
  /** Oldest first. One that ends without being parsed stays until its time is up. */
  const pending = new Map<FastifyRequest, { readonly reply: FastifyReply; readonly dueMs: number }>();
  const everyMs = Math.max(1, Math.min(bodyMsMax / 4, 1_000));
  let isArmed = false;

  function arm(): void {
    isArmed = true;
    setTimeout(check, everyMs).unref();
  }
  function check(): void {
    const nowMs = performance.now();
    for (const [request, { reply, dueMs }] of pending) {
      if (dueMs > nowMs) break;
      pending.delete(request);
      endBody(request.raw, reply);
    }
    isArmed = false;
    if (pending.size > 0) arm();
  }
  return {
    watch(request, reply) {
      pending.set(request, { reply, dueMs: performance.now() + bodyMsMax });
      if (!isArmed) arm();
    },
    met(request) {
      pending.delete(request);
    },
  };
}

function endBody(payload: Readable, reply: FastifyReply): void {
  if (payload.readableEnded || payload.destroyed) return;
  // Whoever reads the body answers the request with this error. Destroying the body would close the connection first.
  const isRead = payload.listenerCount('error') > 0 && !reply.raw.headersSent;
  if (isRead) payload.emit('error', tooSlow());
  else payload.destroy();
}

/** Inflates as it is read, so the limit on the body holds for what comes out, whatever the ratio. */
function inflate(payload: Readable): Gunzip {
  const inflated: Gunzip & { receivedEncodedLength?: number } = createGunzip();
  // Fastify compares Content-Length with what was received, which is what is encoded.
  inflated.receivedEncodedLength = 0;
  payload.on('data', (chunk: Buffer) => {
    inflated.receivedEncodedLength = (inflated.receivedEncodedLength ?? 0) + chunk.length;
  });
  // Not `pipeline`, which would close the connection with the bytes that are wrong, before the answer.
  payload.pipe(inflated);
  payload.once('error', (error) => inflated.destroy(error));
  payload.once('close', () => {
    if (!payload.readableEnded) inflated.destroy(new Error('The connection was closed in the middle of a body.'));
  });
  inflated.on('error', () => {
    // Nobody reads it any more once the body was refused as too large; what is wrong behind that point changes nothing.
    payload.unpipe(inflated);
    payload.resume();
  });
  return inflated;
}

function tooSlow(): HttpProblem {
  const detail = 'The body did not arrive in time. Send less at once, or NDJSON, which may take as long as it needs.';
  return new HttpProblem(problem(408, 'body-too-slow', 'Body too slow', detail, { field: 'body' }));
}

function notUtf8(): HttpProblem {
  const detail = 'The body is not valid UTF-8. Encode it as UTF-8 and send it again.';
  return new HttpProblem(problem(400, 'malformed-utf8', 'Malformed UTF-8', detail, { field: 'body' }));
}

function unsupportedEncoding(): HttpProblem {
  const detail = 'Send the body as it is, or with Content-Encoding: gzip.';
  const details = problem(415, 'unsupported-encoding', 'Unsupported content encoding', detail, {
    field: 'content-encoding',
  });
  return new HttpProblem(details, { 'accept-encoding': 'gzip' });
}
