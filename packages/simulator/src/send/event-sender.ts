import { SimulatorError } from '../errors.ts';
import type { Answer, HttpClient } from './http-client.ts';

/** An event and its text on the wire. */
export interface Outgoing {
  readonly id: string;
  readonly json: string;
}

export interface Refusal {
  readonly event: Outgoing;
  /** As ingest says it: which field, what, and the remedy. */
  readonly reason: string;
}

/** What became of a batch: everything in it is either accepted or refused. */
export interface Settled {
  readonly accepted: readonly Outgoing[];
  readonly refused: readonly Refusal[];
}

/** Kinds of event as ingest's routes call them. */
export type RouteKind = 'payments' | 'telemetry' | 'labels' | 'customers' | 'merchants' | 'devices';

/** An array of young events to the kind's own route; ingest answers for each of them. */
export async function sendArray(client: HttpClient, kind: RouteKind, events: readonly Outgoing[]): Promise<Settled> {
  const body = `[${events.map(({ json }) => json).join(',')}]`;
  const answer = await client.post({ path: `/v1/${kind}`, body, contentType: 'application/json' });
  const items = readItems(answer);
  const accepted: Outgoing[] = [];
  const refused: Refusal[] = [];
  events.forEach((event, index) => {
    const item = items?.[index];
    if (answer.status === 202 || item?.status === 'accepted') accepted.push(event);
    else if (item?.status === 'rejected') refused.push({ event, reason: describe(item.problems ?? []) });
    else throw unexpected(answer, `/v1/${kind}`);
  });
  return { accepted, refused };
}

/**
 * Events of any age to the batch route, as lines.
 *
 * Its answer lists the first problems only. When there are more, the lines behind the last listed one are sent again
 * until every refusal is known by its line; those that were accepted the first time are repeats then, and dropped.
 */
export async function sendLines(client: HttpClient, kind: RouteKind, events: readonly Outgoing[]): Promise<Settled> {
  const accepted: Outgoing[] = [];
  const refused: Refusal[] = [];
  for (let rest = events; rest.length > 0; ) {
    const path = `/v1/batches?kind=${kind}`;
    const body = `${rest.map(({ json }) => json).join('\n')}\n`;
    const answer = await client.post({ path, body, contentType: 'application/x-ndjson' });
    const result = readStreamResult(answer);
    if (answer.status !== 200 || result === undefined) throw unexpected(answer, path);
    const byLine = Map.groupBy(result.problems, ({ line }) => line);
    // The last listed line may have further problems that are not listed, but it is refused all the same.
    const known = result.problems_omitted > 0 ? Math.max(...byLine.keys()) : rest.length;
    rest.slice(0, known).forEach((event, index) => {
      const problems = byLine.get(index + 1);
      if (problems === undefined) accepted.push(event);
      else refused.push({ event, reason: describe(problems) });
    });
    rest = rest.slice(known);
  }
  return { accepted, refused };
}

interface Fault {
  readonly field: string;
  readonly code: string;
  readonly message: string;
}
interface Item {
  readonly status: string;
  readonly problems?: readonly Fault[];
}
interface StreamResult {
  readonly problems: readonly (Fault & { readonly line: number })[];
  readonly problems_omitted: number;
}

function readItems({ body }: Answer): readonly Item[] | undefined {
  return isObject(body) && Array.isArray(body.items) ? (body.items as Item[]) : undefined;
}

function readStreamResult({ body }: Answer): StreamResult | undefined {
  if (!isObject(body) || !Array.isArray(body.problems) || typeof body.problems_omitted !== 'number') return undefined;
  return body as unknown as StreamResult;
}

/** Field and code, not the message: so that a million refusals have a handful of reasons to count. */
function describe(problems: readonly Fault[]): string {
  return problems.map(({ field, code }) => (field === '' ? code : `${field}: ${code}`)).join(', ') || 'no reason given';
}

/** The request as a whole was refused: a key is missing, the route is not there. Sending it again changes nothing. */
function unexpected({ status, body }: Answer, path: string): SimulatorError {
  const detail = isObject(body) && typeof body.detail === 'string' ? body.detail : String(body).slice(0, 200);
  return new SimulatorError('refused', `POST ${path} was answered ${status}: ${detail}`);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
