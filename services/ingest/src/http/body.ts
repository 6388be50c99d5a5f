import { pipeline, type Readable } from 'node:stream';
import { createGunzip, type Gunzip } from 'node:zlib';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HttpProblem, problem } from './problems.ts';

/** One event is under 8 KiB; 1,000 of typical size are 300 KiB. Counted after decompression. */
export const BODY_BYTES_MAX = 4 * 1024 * 1024;
/** A JSON body must be there within this time, so that a client that sends a byte at a time holds nothing for long. */
export const BODY_MS_MAX = 20_000;

/**
 * How request bodies are read: `application/json` whole (bounded in bytes and time), `application/x-ndjson` as a stream,
 * both also with `Content-Encoding: gzip`. Anything else is refused with 415.
 */
export function registerBodyParsers(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  // Names that would reach a prototype are refused, not removed: the sender should know.
  const json = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, json);
  app.addContentTypeParser(NDJSON_TYPES, (_request, payload, done) => done(null, payload));

  app.addHook('preParsing', (request, _reply, payload, done) => {
    const { 'content-encoding': encoding } = request.headers;
    if (!isNdjson(request)) limitTime(payload);
    if (encoding === undefined || encoding === 'identity') done(null, payload);
    else if (encoding === 'gzip') done(null, inflate(payload));
    else done(unsupportedEncoding());
  });
}

export function isNdjson(request: FastifyRequest): boolean {
  return NDJSON.test(request.headers['content-type'] ?? '');
}

const NDJSON_TYPES = ['application/x-ndjson', 'application/jsonl'];
const NDJSON = /^application\/(?:x-ndjson|jsonl)(?:$|[\s;])/i;

function limitTime(payload: Readable): void {
  const timer = setTimeout(() => payload.destroy(new Error('The body did not arrive in time.')), BODY_MS_MAX);
  timer.unref();
  payload.once('close', () => clearTimeout(timer));
  payload.once('end', () => clearTimeout(timer));
}

/** Inflates as it is read, so the limit on the body holds for what comes out, whatever the ratio. */
function inflate(payload: Readable): Gunzip {
  const inflated: Gunzip & { receivedEncodedLength?: number } = createGunzip();
  // Fastify compares Content-Length with what was received, which is what is encoded.
  inflated.receivedEncodedLength = 0;
  payload.on('data', (chunk: Buffer) => {
    inflated.receivedEncodedLength = (inflated.receivedEncodedLength ?? 0) + chunk.length;
  });
  pipeline(payload, inflated, () => {
    // An error reaches whoever reads `inflated`, as its own 'error' event; there is nothing to add here.
  });
  inflated.on('error', () => {
    // Nobody reads it any more once the body was refused as too large; what is wrong behind that point changes nothing.
  });
  return inflated;
}

function unsupportedEncoding(): HttpProblem {
  const detail = 'Send the body as it is, or with Content-Encoding: gzip.';
  const details = problem(415, 'unsupported-encoding', 'Unsupported content encoding', detail, {
    field: 'content-encoding',
  });
  return new HttpProblem(details, { 'accept-encoding': 'gzip' });
}
