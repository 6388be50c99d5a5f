import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiKey, ApiKeys } from '../access/api-keys.ts';
import type { Scope } from '../event-kinds.ts';
import { createCertificateReader } from './client-certificate.ts';
import { HttpProblem, problem } from './problems.ts';
import { type Allowance, admit } from './rate-limit.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the caller may still send; null without a limit. Set by the guard. */
    allowance: Allowance | null;
  }
}

/** Throws when the bearer of a request may not do what `scope` says, or not as much of it. */
export type Guard = (request: FastifyRequest, reply: FastifyReply, scope: Scope) => void;

export interface GuardOptions {
  /** Not given: every caller may do everything (loopback only). */
  readonly apiKeys: ApiKeys | undefined;
  readonly nowMs: () => number;
}

/** Keys come as `Authorization: Bearer <key>` or `X-Api-Key: <key>`; without one, a client certificate may stand for it. */
export function createGuard({ apiKeys, nowMs }: GuardOptions): Guard {
  if (apiKeys === undefined) return () => {};
  const certificateOf = createCertificateReader();

  function keyOf(request: FastifyRequest, keys: ApiKeys): ApiKey | undefined {
    const presented = presentedKey(request);
    if (presented !== undefined) return keys.find(presented);
    const certificate = certificateOf(request.raw.socket);
    return certificate === undefined ? undefined : keys.findCertificate(certificate);
  }

  return (request, reply, scope) => {
    const key = keyOf(request, apiKeys);
    if (key === undefined) throw unauthorized();
    if (!key.scopes.has(scope)) throw forbidden(scope);
    if (key.bucket !== undefined) request.allowance = admit(key.bucket, reply, nowMs);
  };
}

function presentedKey({ headers }: FastifyRequest): string | undefined {
  const apiKey = headers['x-api-key'];
  if (typeof apiKey === 'string') return apiKey;
  const { authorization } = headers;
  if (authorization === undefined) return undefined;
  // What is there and is no bearer token is a key that is not known, whatever certificate comes with it.
  return /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? '';
}

function unauthorized(): HttpProblem {
  const detail = 'Send a known API key as Authorization: Bearer <key>, or as X-Api-Key, or a known client certificate.';
  const details = problem(401, 'unauthorized', 'No valid API key', detail, { field: 'authorization' });
  return new HttpProblem(details, { 'www-authenticate': 'Bearer realm="millrace"' });
}

function forbidden(scope: Scope): HttpProblem {
  const detail = `The API key needs the scope ${scope}. Use another key, or have the scope added to this one.`;
  return new HttpProblem(problem(403, 'forbidden', 'The API key may not do this', detail, { scope }));
}
