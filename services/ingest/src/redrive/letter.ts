import { DeadLetter, type Problem, REDRIVE_STAGES_MAX } from '@millrace/contracts';
import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';

/** Letters of one request. With the limit on the body that is what a request holds in memory. */
export const LETTERS_MAX = 200;

const { origin, stage, key, headers, value_base64, failed_at } = DeadLetter.properties;

/** A dead letter on its way back: what several stages may have said of one record or message, as one. */
export const Letter = Type.Object({
  // A lone surrogate would be another id once it is the key of a mark.
  id: Type.String({ minLength: 1, maxLength: 320, pattern: '^[^\\ud800-\\udfff]+$', description: 'Of the letter.' }),
  origin,
  stages: Type.Array(stage, {
    minItems: 1,
    maxItems: REDRIVE_STAGES_MAX,
    description: 'All stages that have refused it.',
  }),
  key,
  headers,
  value_base64,
  failed_at,
});
export type Letter = Static<typeof Letter>;

export const RedriveRequest = Type.Object({
  dry_run: Type.Optional(Type.Boolean({ description: 'Check everything and write nothing. Default: false.' })),
  letters: Type.Array(Letter, { minItems: 1, maxItems: LETTERS_MAX }),
});
export type RedriveRequest = Static<typeof RedriveRequest>;

const request = Compile(RedriveRequest);

/** The request in a body, or what is wrong with it: paths only, since the values may be anything. */
export function readRedriveRequest(body: unknown): RedriveRequest | { readonly problems: readonly Problem[] } {
  if (request.Check(body)) return body;
  const problems = request.Errors(body).map(({ instancePath, message }): Problem => {
    return { field: instancePath.slice(1).replaceAll('/', '.'), code: 'malformed', message };
  });
  return { problems };
}

/** What became, or in a dry run would become, of a letter. */
export type RedriveResult = { readonly id: string } & (
  | { readonly status: 'redriven' | 'redrivable'; readonly topic: string; readonly event_ids: readonly string[] }
  | { readonly status: 'already-redriven'; readonly redriven_at: number }
  | { readonly status: 'refused-again'; readonly problems: readonly RedriveProblem[] }
  | { readonly status: 'not-redrivable'; readonly code: NotRedrivable; readonly message: string }
);

/** A problem of an event, of a record (codes of `ContractError`), or of a message (reasons of refusals). */
export interface RedriveProblem {
  readonly field: string;
  readonly code: string;
  readonly message: string;
}

export type NotRedrivable =
  | 'no-bytes' // a record without a value, or one that did not fit into its letter
  | 'too-old' // older than the marks that say what has been redriven are kept
  | 'unknown-origin' // a topic or a path that takes no events
  | 'out-of-date' // it was about a state that has passed
  | 'superseded'; // a newer version of the key is there
