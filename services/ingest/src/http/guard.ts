import type { FastifyRequest } from 'fastify';
import type { FindApiKey } from '../access.ts';
import type { Scope } from '../event-kinds.ts';
import { HttpProblem, problem } from './problems.ts';

/** Throws when the bearer of a request may not do what `scope` says. */
export type Guard = (request: FastifyRequest, scope: Scope) => void;

/** Keys come as `Authorization: Bearer <key>` or `X-Api-Key: <key>`. Without `findApiKey` (loopback only) all may. */
export function createGuard(findApiKey: FindApiKey | undefined): Guard {
  if (findApiKey === undefined) return () => {};
  return (request, scope) => {
    const presented = presentedKey(request);
    const key = presented === undefined ? undefined : findApiKey(presented);
    if (key === undefined) throw unauthorized();
    if (!key.scopes.has(scope)) throw forbidden(scope);
  };
}

function presentedKey({ headers }: FastifyRequest): string | undefined {
  const apiKey = headers['x-api-key'];
  if (typeof apiKey === 'string') return apiKey;
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '');
  return bearer?.[1];
}

function unauthorized(): HttpProblem {
  const detail = 'Send a known API key as Authorization: Bearer <key>, or as X-Api-Key.';
  const details = problem(401, 'unauthorized', 'No valid API key', detail, { field: 'authorization' });
  return new HttpProblem(details, { 'www-authenticate': 'Bearer realm="millrace"' });
}

function forbidden(scope: Scope): HttpProblem {
  const detail = `The API key needs the scope ${scope}. Use another key, or have the scope added to this one.`;
  return new HttpProblem(problem(403, 'forbidden', 'The API key may not do this', detail, { scope }));
}
