/** The headers that every record carries (events.md). */
export interface RecordContext {
  /** Schema and version of the value: `payment.v1`. */
  readonly schema: string;
  readonly eventId: string;
  /** W3C trace context; left out when the event was not traced. */
  readonly traceparent?: string | undefined;
  /** When ingest accepted the event that this record comes from. Epoch ms. */
  readonly ingestedAtMs: number;
}

export const HEADER_SCHEMA = 'schema';
export const HEADER_EVENT_ID = 'event_id';
export const HEADER_TRACEPARENT = 'traceparent';
export const HEADER_INGESTED_AT = 'ingested_at';
/** The id of the dead letter that a record was made from again. */
export const HEADER_REDRIVEN_FROM = 'redriven_from';
/**
 * The stages that such a record is for, separated by commas: those that had refused it. The others have processed it
 * already and pass it by. A record without this header is for all who read it.
 */
export const HEADER_REDRIVEN_FOR = 'redriven_for';
const STAGE_SEPARATOR = ',';

export function redrivenFor(stages: readonly string[]): string {
  return stages.join(STAGE_SEPARATOR);
}

/** Whether a record with this value of `HEADER_REDRIVEN_FOR` (`undefined`: without it) is for a stage. */
export function isForStage(header: string | undefined, stage: string): boolean {
  return header === undefined || header.split(STAGE_SEPARATOR).includes(stage);
}

/** The headers of a record as Kafka wants them: text by name. */
export function recordHeaders(context: RecordContext): Record<string, string> {
  const headers: Record<string, string> = {
    [HEADER_SCHEMA]: context.schema,
    [HEADER_EVENT_ID]: context.eventId,
    [HEADER_INGESTED_AT]: String(context.ingestedAtMs),
  };
  if (context.traceparent !== undefined) headers[HEADER_TRACEPARENT] = context.traceparent;
  return headers;
}
