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
