import { type Problem, type TopicContract, WireError, type WireOptions } from '@millrace/contracts';
import type { EventKind } from './event-kinds.ts';
import type { Publisher } from './publisher.ts';

export type Checked<T> =
  | { readonly ok: true; readonly event: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** `kind.parse` with its refusal as a value: a refused event is the sender's fault, and an everyday case. */
export function checkEvent<T>(kind: Pick<EventKind<T>, 'parse'>, input: unknown, options: WireOptions): Checked<T> {
  try {
    return { ok: true, event: kind.parse(input, options) };
  } catch (error) {
    if (error instanceof WireError) return { ok: false, problems: error.problems };
    throw error;
  }
}

/** The problems as one text, for those who read no structure. */
export function sentenceOf(problems: readonly Problem[]): string {
  return problems.map(({ field, message }) => (field === '' ? message : `${field} ${message}`)).join('; ');
}

/** Publishes events of one kind, in order, to the topic or topics of that kind. Rejects as `Publisher.publish` does. */
export function publishEvents<T>(
  publisher: Publisher,
  kind: Pick<EventKind<T>, 'contractOf'>,
  events: readonly T[],
  traceparent: string | undefined,
): Promise<void> {
  const eventsByTopic = new Map<TopicContract<T>, T[]>();
  for (const event of events) {
    const contract = kind.contractOf(event);
    const others = eventsByTopic.get(contract);
    if (others === undefined) eventsByTopic.set(contract, [event]);
    else others.push(event);
  }
  const parts = Array.from(eventsByTopic, ([contract, some]) => ({ contract, events: some }));
  return publisher.publishAll(parts, traceparent);
}
