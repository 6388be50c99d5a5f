import {
  AGE_MAX_MS,
  allTopics,
  ContractError,
  FUTURE_MAX_MS,
  MARK_RETENTION_MS,
  REDRIVE_EVENTS_MAX,
  type TopicContract,
  type Topics,
  WireError,
  type WireOptions,
} from '@millrace/contracts';
import { EVENT_KINDS, type EventKinds } from '../event-kinds.ts';
import type { Letter, NotRedrivable, RedriveProblem } from './letter.ts';

/** What is right about a letter: events of one topic. */
export interface EventsOfLetter {
  readonly outcome: 'events';
  readonly contract: TopicContract<unknown>;
  readonly events: readonly unknown[];
  /** Only the stages that had refused the record take it again; the others have it. */
  readonly forStagesOnly: boolean;
}

/** What a letter holds, as the first check sees it now. */
export type LetterReading =
  | EventsOfLetter
  | { readonly outcome: 'refused'; readonly problems: readonly RedriveProblem[] }
  | { readonly outcome: 'not-redrivable'; readonly code: NotRedrivable; readonly message: string };

/** What the way through MQTT makes of a message. */
export interface MqttReading {
  readonly readings: readonly unknown[];
  readonly refusals: readonly { readonly reason: string; readonly message: string }[];
}

export interface MqttOrigin {
  readonly topic: string;
  /** Who published it, as far as known. */
  readonly device_id?: string;
}

/** Why a message has no meaning any more. */
export interface OutOfDate {
  readonly outOfDate: string;
}

/** Reads a device's message as when it came, `nowMs` being that time. */
export type ReadMqttMessage = (
  origin: MqttOrigin,
  payload: Uint8Array,
  options: WireOptions,
) => MqttReading | OutOfDate | Promise<MqttReading>;

export type LetterReader = (letter: Letter) => Promise<LetterReading>;

/** A day less than what was redriven is remembered, for clocks that differ and requests that wait. */
export const LETTER_AGE_MS_MAX = MARK_RETENTION_MS - 86_400_000;

/**
 * Puts letters through the checks at which they, or what they were made from, came in the first time.
 *
 * A message of MQTT and a body of HTTP are read as what they are; a record of Kafka is what its topic's contract says.
 * What was young enough when it came is young enough now, and what was in the future then may have become past.
 */
export function createLetterReader(options: {
  readonly topics: Topics;
  readonly kinds: EventKinds;
  readonly readMqtt: ReadMqttMessage;
  readonly tokenizeCard: (cardNumber: string) => string;
  readonly nowMs: () => number;
}): LetterReader {
  const { topics, kinds, readMqtt, tokenizeCard, nowMs } = options;
  const { deadLetters, deadLettersRedriven, batchesProgress } = topics;
  const ours = new Set([deadLetters, deadLettersRedriven, batchesProgress].map(({ name }) => name));
  const contracts = new Map(
    allTopics(topics).flatMap((contract) => (ours.has(contract.name) ? [] : [[contract.name, contract] as const])),
  );
  /** Senders may repeat themselves there, so who reads them drops repeats or only counts ids. */
  const repeatable = new Set([topics.paymentsRaw, topics.telemetryRaw].map(({ name }) => name));
  const wireOptions = (nowMs: number, maxAgeMs: number): WireOptions => ({ nowMs, maxAgeMs, tokenizeCard });

  function readRecord(topic: string, bytes: Uint8Array): LetterReading {
    const contract = contracts.get(topic);
    if (contract === undefined) {
      return notRedrivable('unknown-origin', `${topic} is no topic of events here; write the record there yourself.`);
    }
    let event: unknown;
    try {
      event = contract.decode(bytes);
    } catch (error) {
      if (!(error instanceof ContractError)) throw error;
      return refused([{ field: error.field, code: error.code, message: error.message }]);
    }
    if (contract.timestampMs(event) > nowMs() + FUTURE_MAX_MS) {
      const message = 'is more than 5 minutes in the future; redrive it when its time has come';
      return refused([{ field: '', code: 'in-the-future', message }]);
    }
    return { outcome: 'events', contract, events: [event], forStagesOnly: !repeatable.has(topic) };
  }

  async function readMessage(origin: MqttOrigin, bytes: Uint8Array, cameAtMs: number): Promise<LetterReading> {
    // As when it came: that is the time of a status without one, and what its age is counted from.
    let reading = await readMqtt(origin, bytes, wireOptions(cameAtMs, AGE_MAX_MS));
    // As of now, because what was too far ahead then may not be any more.
    if ('refusals' in reading && reading.refusals.length > 0) {
      reading = await readMqtt(origin, bytes, wireOptions(nowMs(), AGE_MAX_MS));
    }
    if ('outOfDate' in reading) return notRedrivable('out-of-date', reading.outOfDate);
    if (reading.refusals.length > 0) {
      return refused(reading.refusals.map(({ reason, message }) => ({ field: '', code: reason, message })));
    }
    const contract = topics.telemetryRaw as TopicContract<unknown>;
    return { outcome: 'events', contract, events: reading.readings, forStagesOnly: false };
  }

  function readBody(path: string, bytes: Uint8Array, cameAtMs: number): LetterReading {
    const name = EVENT_KINDS.find((kind) => path === `/v1/${kind}`);
    if (name === undefined) return notRedrivable('unknown-origin', `${path} is no route that takes events.`);
    const kind = kinds[name];
    try {
      const input: unknown = JSON.parse(utf8.decode(bytes));
      const now = nowMs();
      const event = kind.parse(input, wireOptions(now, kind.ageMsMax + Math.max(0, now - cameAtMs)));
      return { outcome: 'events', contract: kind.contractOf(event), events: [event], forStagesOnly: false };
    } catch (error) {
      if (error instanceof WireError) return refused(error.problems);
      if (error instanceof SyntaxError || error instanceof TypeError) {
        return refused([{ field: '', code: 'malformed-json', message: 'The body is not JSON.' }]);
      }
      throw error;
    }
  }

  return async ({ origin, value_base64, failed_at }) => {
    if (value_base64 === '') {
      return notRedrivable('no-bytes', 'The letter has no bytes: send the event again from where it came from.');
    }
    if (failed_at < nowMs() - LETTER_AGE_MS_MAX) {
      const days = Math.floor(LETTER_AGE_MS_MAX / 86_400_000);
      return notRedrivable('too-old', `Letters are redriven for ${days} days, as long as it is certain to be once.`);
    }
    const bytes = Buffer.from(value_base64, 'base64');
    const reading = await readOrigin(origin, bytes, failed_at);
    if (reading.outcome === 'events' && reading.events.length > REDRIVE_EVENTS_MAX) {
      const message = `It makes ${reading.events.length} events; a letter may make ${REDRIVE_EVENTS_MAX}.`;
      return refused([{ field: '', code: 'too-many', message }]);
    }
    return reading;
  };

  function readOrigin(origin: Letter['origin'], bytes: Buffer, cameAtMs: number) {
    switch (origin.kind) {
      case 'kafka':
        return readRecord(origin.topic, bytes);
      case 'mqtt':
        return readMessage(origin, bytes, cameAtMs);
      case 'http':
        return readBody(origin.path, bytes, cameAtMs);
    }
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function refused(problems: readonly RedriveProblem[]): LetterReading {
  return { outcome: 'refused', problems: problems.slice(0, PROBLEMS_MAX) };
}

function notRedrivable(code: NotRedrivable, message: string): LetterReading {
  return { outcome: 'not-redrivable', code, message };
}

/** Of one letter, in the answer. */
const PROBLEMS_MAX = 10;
