import { type DeadLetter, PARAGRAPH_LENGTH_MAX, recordHeaders, type TopicContract } from '@millrace/contracts';
import type { OutRecord } from '@millrace/kafka';
import type { RefusedRecord } from './block.ts';
import { ingestedAtMs } from './rows.ts';

/** What dead letters of this service call it. */
export const STAGE = 'sink';

/** The dead letter of a record that cannot be stored, ready to be sent. Sent twice, it has the same id twice. */
export function deadLetterRecord(
  contract: TopicContract<DeadLetter>,
  { record, reason, message }: RefusedRecord,
  failedAtMs: number,
): OutRecord {
  const { topic, partition, offset } = record;
  const required: DeadLetter = {
    id: `${topic}:${partition}:${offset}`,
    origin: { kind: 'kafka', topic, partition, offset },
    stage: STAGE,
    reason,
    message: message.slice(0, PARAGRAPH_LENGTH_MAX),
    value_base64: record.value?.toString('base64') ?? '',
    failed_at: failedAtMs,
  };
  const letter = firstThatFits(contract, [
    { ...required, ...(record.key !== null && { key: record.key.toString() }), headers: textHeaders(record.headers) },
    required,
    // Kafka's limit for a record stands against base64 of a large one: the original stays where it is.
    {
      ...required,
      value_base64: '',
      message: `${required.message.slice(0, 1_000)} (its ${record.value?.length ?? 0} bytes do not fit here)`,
    },
  ]);
  return {
    key: contract.key(letter),
    value: contract.encode(letter),
    timestampMs: contract.timestampMs(letter),
    headers: recordHeaders({
      schema: contract.schema,
      eventId: contract.eventId(letter),
      traceparent: record.headers.traceparent?.toString('latin1'),
      ingestedAtMs: ingestedAtMs(record),
    }),
  };
}

/** A poison record may have a key or headers that no contract allows, and the letter must arrive all the same. */
function firstThatFits(contract: TopicContract<DeadLetter>, candidates: [DeadLetter, ...DeadLetter[]]): DeadLetter {
  return candidates.find((candidate) => contract.check(candidate)) ?? (candidates.at(-1) as DeadLetter);
}

function textHeaders(headers: RefusedRecord['record']['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value?.toString() ?? '']));
}
