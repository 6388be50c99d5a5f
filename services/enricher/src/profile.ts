import { type CustomerSource, type Profile, type ProfileFields, SOURCE_FIELDS_MAX } from '@millrace/contracts';

type Value = CustomerSource['fields'][string];
/** A field of a source: null is one that was taken back. */
type Said = readonly [value: Value, updatedAtMs: number];

/** What one source has said of a customer. */
interface SourceKnowledge {
  /** Time of its newest record. */
  readonly updated_at: number;
  /** Everything it said up to and including this time is taken back. */
  readonly retracted_at: number;
  readonly fields: Readonly<Record<string, Said>>;
}

export interface CustomerKnowledge {
  readonly customer_id: string;
  readonly sources: Readonly<Record<string, SourceKnowledge>>;
  /** What follows from the sources; undefined when nothing is left. */
  readonly profile: Profile | undefined;
}

const NOTHING_SAID: SourceKnowledge = { updated_at: 0, retracted_at: 0, fields: {} };

/**
 * Adds what a source says. Every field is kept with its time for each source, so records may arrive in any order, a
 * field that is taken back uncovers what another source knows, and the profile is always the same in the end.
 *
 * Returns undefined when the source then has more fields than fit (`SOURCE_FIELDS_MAX`).
 */
export function learn(record: CustomerSource, before: CustomerKnowledge | undefined): CustomerKnowledge | undefined {
  const { customer_id, source, updated_at } = record;
  const known = saidBy(source, before);
  const fields = { ...known.fields };
  for (const [name, value] of Object.entries(record.fields)) {
    if (updated_at <= known.retracted_at) continue;
    const said: Said = [value, updated_at];
    const earlier = Object.hasOwn(fields, name) ? fields[name] : undefined;
    fields[name] = earlier === undefined || isNewer(said, earlier) ? said : earlier;
  }
  if (Object.keys(fields).length > SOURCE_FIELDS_MAX) return undefined;
  const after = { ...known, updated_at: Math.max(updated_at, known.updated_at), fields };
  return withProfile(customer_id, { ...before?.sources, [source]: after });
}

/** Takes back all that a source has said up to a time. */
export function retract(source: string, atMs: number, before: CustomerKnowledge): CustomerKnowledge {
  const known = saidBy(source, before);
  const after = {
    updated_at: Math.max(known.updated_at, atMs),
    retracted_at: Math.max(known.retracted_at, atMs),
    fields: Object.fromEntries(Object.entries(known.fields).filter(([, [, updatedAtMs]]) => updatedAtMs > atMs)),
  };
  return withProfile(before.customer_id, { ...before.sources, [source]: after });
}

/** The changelog holds what was said; the profile is made from it again. */
export function encodeKnowledge({ customer_id, sources }: CustomerKnowledge): string {
  return JSON.stringify({ customer_id, sources });
}

export function decodeKnowledge(bytes: Buffer): CustomerKnowledge {
  const { customer_id, sources } = JSON.parse(bytes.toString('utf8')) as Omit<CustomerKnowledge, 'profile'>;
  return withProfile(customer_id, sources);
}

function saidBy(source: string, before: CustomerKnowledge | undefined): SourceKnowledge {
  // `toString` is a name that a source may have.
  return before !== undefined && Object.hasOwn(before.sources, source)
    ? (before.sources[source] ?? NOTHING_SAID)
    : NOTHING_SAID;
}

function withProfile(customer_id: string, sources: CustomerKnowledge['sources']): CustomerKnowledge {
  // In the order of their names: the same knowledge gives the same bytes, and of equally new values the first stays.
  const inOrder = Object.entries(sources).sort(([a], [b]) => (a < b ? -1 : 1));
  const newest = new Map<string, ProfileFields[string]>();
  for (const [source, { fields }] of inOrder) {
    for (const [name, [value, updated_at]] of Object.entries(fields)) {
      if (value === null || updated_at <= (newest.get(name)?.updated_at ?? 0)) continue;
      newest.set(name, { value, source, updated_at });
    }
  }
  if (newest.size === 0) return { customer_id, sources, profile: undefined };
  const profile: Profile = {
    customer_id,
    updated_at: Math.max(...inOrder.map(([, { updated_at }]) => updated_at)),
    fields: Object.fromEntries([...newest].sort(([a], [b]) => (a < b ? -1 : 1))),
    sources: Object.fromEntries(inOrder.map(([source, { updated_at }]) => [source, updated_at])),
  };
  return { customer_id, sources, profile };
}

/** Of two values of the same time the one that sorts last holds: any rule does, as long as order of arrival is none. */
function isNewer([value, updatedAtMs]: Said, [otherValue, otherMs]: Said): boolean {
  if (updatedAtMs !== otherMs) return updatedAtMs > otherMs;
  return JSON.stringify(value) > JSON.stringify(otherValue);
}
