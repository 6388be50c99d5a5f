import {
  HEADER_REDRIVEN_FOR,
  HEADER_REDRIVEN_FROM,
  type Redrive,
  recordHeaders,
  redrivenFor,
} from '@millrace/contracts';
import type { OutRecord } from '@millrace/kafka';
import { childOf } from '@millrace/observability';
import type { Letter } from './letter.ts';
import type { EventsOfLetter } from './read-letter.ts';

/** Stages that have refused a letter, and for which it has not been redriven yet. */
export function openStages(stages: readonly string[], mark: Redrive | undefined): string[] {
  return stages.filter((stage) => mark?.stages.includes(stage) !== true);
}

/** What is remembered of a letter when it is redriven now; `before`: what was remembered so far. */
export function markOf(
  { id, stages }: Letter,
  { contract, events }: EventsOfLetter,
  before: Redrive | undefined,
  nowMs: number,
): Redrive {
  return {
    id,
    stages: [...new Set([...(before?.stages ?? []), ...stages])],
    topic: contract.name,
    event_ids: events.map((event) => contract.eventId(event)),
    redriven_at: nowMs,
  };
}

/** The records that a letter becomes, in order. */
export function recordsOf(
  { id, stages, headers = {} }: Letter,
  { contract, events, forStagesOnly }: EventsOfLetter,
  before: Redrive | undefined,
  nowMs: number,
): OutRecord[] {
  return events.map((event) => ({
    key: contract.key(event),
    value: contract.encode(event),
    timestampMs: contract.timestampMs(event),
    headers: {
      ...recordHeaders({
        schema: contract.schema,
        eventId: contract.eventId(event),
        traceparent: childOf(headers.traceparent),
        // A raw event is accepted anew; what became of one was accepted when it was.
        ingestedAtMs: forStagesOnly ? (acceptedAtMs(headers) ?? nowMs) : nowMs,
      }),
      [HEADER_REDRIVEN_FROM]: id,
      ...(forStagesOnly && { [HEADER_REDRIVEN_FOR]: redrivenFor(openStages(stages, before)) }),
    },
  }));
}

function acceptedAtMs({ ingested_at }: Readonly<Record<string, string>>): number | undefined {
  return ingested_at !== undefined && /^[1-9]\d{0,14}$/.test(ingested_at) ? Number(ingested_at) : undefined;
}
