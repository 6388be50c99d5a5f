import { isUtf8 } from 'node:buffer';
import { DeadLetter, HEADER_REDRIVEN_FROM } from '@millrace/contracts';
import type { StoredLetter } from '@millrace/warehouse';
import { Type } from 'typebox';
import { dateTime } from './schemas.ts';
import { time } from './views.ts';

const orNull = (schema: Type.TSchema) => Type.Union([schema, Type.Null()]);
const { id, origin, key, headers, value_base64, stage, reason, message } = DeadLetter.properties;

/** A dead letter in an answer. */
export const DeadLetterAnswer = Type.Object(
  {
    id,
    origin,
    stage,
    reason,
    message,
    failed_at: dateTime('When it was refused first.'),
    failures: Type.Array(
      Type.Object({
        stage,
        reason,
        message,
        failed_at: dateTime('When it was refused.'),
        redriven_at: orNull(dateTime('When it was sent again to this stage.')),
      }),
      { description: 'What each stage has said of the same record, oldest first. `stage` above is the first of them.' },
    ),
    key,
    headers,
    redriven_from: Type.Optional(Type.String({ description: 'The letter that this record had been made from.' })),
    value_base64,
    value_text: Type.Optional(Type.String({ description: 'The bytes as text, where they are UTF-8.' })),
    value_bytes: Type.Integer({ minimum: 0, description: 'How many they are.' }),
    value_cut: Type.Boolean({ description: 'Lists show the beginning; the letter by its id has all of it.' }),
    redriven_at: orNull(dateTime('When it was sent again to the last of those stages; null while one is open.')),
    redrives: Type.Array(
      Type.Object({
        redriven_at: dateTime('When.'),
        stages: Type.Array(stage, { description: 'All stages to which it had been sent again by then.' }),
        topic: Type.String({ description: 'Where its events went.' }),
        event_ids: Type.Array(Type.String(), { description: 'Transactions, readings, ...' }),
      }),
    ),
  },
  { title: 'DeadLetter' },
);

export function deadLetterView(letter: StoredLetter) {
  const { failures, redrives, value_base64, value_bytes, is_cut, first_failed_at: _, ...whose } = letter;
  const [first] = failures;
  if (first === undefined) throw new TypeError(`letter ${letter.id} has no failure`);
  const { stage, reason, message, failed_at } = first;
  const redrivenMs = failures.map(({ redriven_at }) => redriven_at);
  const from = whose.headers[HEADER_REDRIVEN_FROM];
  const text = textOf(Buffer.from(value_base64, 'base64'), is_cut);
  return {
    ...whose,
    ...{ stage, reason, message, failed_at: time(failed_at) },
    failures: failures.map((failure) => ({
      ...failure,
      failed_at: time(failure.failed_at),
      redriven_at: failure.redriven_at === undefined ? null : time(failure.redriven_at),
    })),
    ...(from !== undefined && { redriven_from: from }),
    value_base64,
    ...(text !== undefined && { value_text: text }),
    ...{ value_bytes, value_cut: is_cut },
    redriven_at: redrivenMs.every((ms) => ms !== undefined) ? time(Math.max(...redrivenMs)) : null,
    redrives: redrives.map((redrive) => ({ ...redrive, redriven_at: time(redrive.redriven_at) })),
  };
}

/** A cut may go through a character; the most that is left of one is three bytes. */
function textOf(bytes: Buffer, isCut: boolean): string | undefined {
  for (let missing = 0; missing <= (isCut ? 3 : 0); missing += 1) {
    const whole = bytes.subarray(0, bytes.length - missing);
    if (isUtf8(whole)) return whole.toString();
  }
  return undefined;
}
