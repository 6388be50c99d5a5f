import { setTimeout as sleep } from 'node:timers/promises';
import type { Redrive, Topics } from '@millrace/contracts';
import type { Kafka, OutRecord, TopicBatch } from '@millrace/kafka';
import type { Logger } from '@millrace/observability';
import { openMarks } from '../compacted-marks.ts';
import { IngestError } from '../errors.ts';
import { openProgressLog, type ProgressLog } from '../progress-log.ts';
import type { Letter, RedriveResult } from './letter.ts';
import { type NewestVersions, readNewestVersions } from './newest-versions.ts';
import type { EventsOfLetter, LetterReader, LetterReading } from './read-letter.ts';
import { markOf, openStages, recordsOf } from './records.ts';

export interface RedriverOptions {
  readonly kafka: Pick<Kafka, 'transactionalProducer' | 'reader'>;
  readonly topics: Topics;
  readonly readLetter: LetterReader;
  readonly nowMs: () => number;
  readonly logger: Logger;
}

export interface Redriver {
  /**
   * Sends what is in the letters again. One result per letter, in their order.
   * @throws {IngestError} `overloaded`, `unavailable`, `taken-over`: ask again; what was done by then is not done twice.
   */
  redrive(letters: readonly Letter[]): Promise<RedriveResult[]>;
  /** The same checks, and nothing is written. */
  check(letters: readonly Letter[]): Promise<RedriveResult[]>;
}

/** The same in all instances, so that one at a time redrives. */
const TRANSACTIONAL_ID = 'millrace-redrive';
/** Requests that wait for the one under way; each holds a body. */
export const WAITING_MAX = 4;
/** Records of one transaction; letters are not divided. Small ones keep those who read committed records from waiting. */
const TRANSACTION_RECORDS_MAX = 1_000;
/** How often a redrive begins anew, after another instance took over or Kafka did not answer. */
const ATTEMPTS_MAX = 6;
const ATTEMPT_WAIT_MS_MAX = 500;
/** None begins later than this after the first: whoever asked is cut off when nothing comes for 30 s. */
const ATTEMPTS_MS_MAX = 15_000;

/** A letter that is right, and what is to be written of it. */
interface Sendable {
  readonly letter: Letter;
  readonly reading: EventsOfLetter;
}

/**
 * Sends dead letters through ingest again, each once for each stage that had refused it.
 *
 * Delivery: exactly once, whoever asks, however often, whatever dies meanwhile. What is written of a letter, and the mark
 * that says so (`dead-letters.redriven`), are one transaction. Before the first one all earlier redrivers are fenced,
 * and then the marks are read to their end, so that no letter is sent that somebody else has sent or still can send.
 * What is refused again leaves no trace but its result: the letter stays as it is.
 */
export function createRedriver(options: RedriverOptions): Redriver {
  const { kafka, topics, readLetter, nowMs, logger } = options;
  const contract = topics.deadLettersRedriven;
  // An id of their own for each prefix: pipelines that share a cluster do not stop each other.
  const transactionalId = `${contract.name}.${TRANSACTIONAL_ID}`;
  let waiting = 0;
  let tail: Promise<unknown> = Promise.resolve();

  /** Runs one redrive at a time. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (waiting > WAITING_MAX) {
      throw new IngestError('overloaded', `${WAITING_MAX} redrives wait already; ask again when they are done.`);
    }
    waiting += 1;
    const done = tail.then(work).finally(() => {
      waiting -= 1;
    });
    tail = Promise.allSettled([done]);
    return done;
  }

  async function redriveAll(letters: readonly Letter[]): Promise<RedriveResult[]> {
    const { results, sendable } = await readAll(letters);
    /** Marks that were sent, and of which it is not known whether they are there. */
    const sent = new Map<string, Redrive>();
    const deadlineMs = performance.now() + ATTEMPTS_MS_MAX;
    for (let attempt = 1; sendable.length > 0; attempt += 1) {
      try {
        await sendAll(sendable, sent, results);
        break;
      } catch (error) {
        const isLast = attempt === ATTEMPTS_MAX || performance.now() > deadlineMs;
        if (!(error instanceof IngestError) || isLast) throw error;
        if (!error.retriable && error.code !== 'taken-over') throw error;
        logger.info({ reason: error.message, attempt }, 'a redrive begins anew');
        // Two instances that take over from each other must not keep step.
        await sleep(Math.random() * ATTEMPT_WAIT_MS_MAX);
      }
    }
    return letters.map(({ id }) => resultOf(id, results));
  }

  /** Takes everything out of `sendable` that is settled. */
  async function sendAll(
    sendable: Sendable[],
    sent: Map<string, Redrive>,
    results: Map<string, RedriveResult>,
  ): Promise<void> {
    const wanted = new Set(sendable.map(({ letter }) => letter.id));
    const log = await openProgressLog<Redrive>({
      kafka,
      contract,
      transactionalId,
      nowMs,
      isWanted: (key) => wanted.has(key),
    });
    try {
      const newest = await readNewest(kafka, sendable);
      while (sendable.length > 0) {
        const records: { topic: string; record: OutRecord }[] = [];
        const marks: Redrive[] = [];
        let taken = 0;
        while (taken < sendable.length && records.length < TRANSACTION_RECORDS_MAX) {
          const { letter, reading } = sendable[taken] as Sendable;
          taken += 1;
          const settled = alreadySettled(letter, log.get(letter.id), sent) ?? superseded(letter, reading, newest);
          if (settled !== undefined) {
            results.set(letter.id, settled);
            continue;
          }
          const mark = markOf(letter, reading, log.get(letter.id), nowMs());
          const made = recordsOf(letter, reading, log.get(letter.id), nowMs());
          records.push(...made.map((record) => ({ topic: mark.topic, record })));
          marks.push(mark);
          sent.set(letter.id, mark);
        }
        await commit(log, records, marks);
        for (const mark of marks) results.set(mark.id, redriven(mark));
        sendable.splice(0, taken);
      }
    } finally {
      await log.close();
    }
  }

  async function readAll(letters: readonly Letter[]) {
    const results = new Map<string, RedriveResult>();
    const sendable: Sendable[] = [];
    const seen = new Set<string>();
    for (const letter of letters) {
      if (seen.has(letter.id)) continue;
      seen.add(letter.id);
      const reading = await readLetter(letter);
      if (reading.outcome === 'events') sendable.push({ letter, reading });
      else results.set(letter.id, withoutEvents(letter.id, reading));
    }
    return { results, sendable };
  }

  return {
    redrive: (letters) => inTurn(() => redriveAll(letters)),

    check: (letters) =>
      inTurn(async () => {
        const { results, sendable } = await readAll(letters);
        const wanted = new Set(sendable.map(({ letter }) => letter.id));
        const markById = new Map<string, Redrive>();
        const marks = await openMarks<Redrive>({
          kafka,
          contract,
          isWanted: (key) => wanted.has(key),
          onMark: (key, mark) => mark !== undefined && markById.set(key, mark),
        });
        try {
          await marks.catchUp();
        } finally {
          await marks.close();
        }
        const newest = await readNewest(kafka, sendable);
        for (const { letter, reading } of sendable) {
          const mark = markById.get(letter.id);
          const settled = alreadySettled(letter, mark, new Map()) ?? superseded(letter, reading, newest);
          const { topic, event_ids } = markOf(letter, reading, mark, nowMs());
          results.set(letter.id, settled ?? { id: letter.id, status: 'redrivable', topic, event_ids });
        }
        return letters.map(({ id }) => resultOf(id, results));
      }),
  };
}

async function commit(
  log: ProgressLog<Redrive>,
  records: readonly { readonly topic: string; readonly record: OutRecord }[],
  marks: readonly Redrive[],
): Promise<void> {
  if (marks.length === 0) return;
  const byTopic = Map.groupBy(records, ({ topic }) => topic);
  const batches: TopicBatch[] = [...byTopic].map(([topic, some]) => ({
    topic,
    records: some.map(({ record }) => record),
  }));
  await log.commit({ batches, marks });
}

/** Only topics that keep the newest value per key can be spoilt by an old one. */
function readNewest(kafka: Pick<Kafka, 'reader'>, sendable: readonly Sendable[]): Promise<NewestVersions> {
  const values = sendable.flatMap(({ reading: { contract, events } }) =>
    contract.cleanupPolicy === 'compact' ? events.map((value) => ({ contract, value })) : [],
  );
  return readNewestVersions(kafka, values);
}

function alreadySettled(
  { id, stages }: Letter,
  mark: Redrive | undefined,
  sent: ReadonlyMap<string, Redrive>,
): RedriveResult | undefined {
  if (mark === undefined || openStages(stages, mark).length > 0) return undefined;
  const own = sent.get(id);
  // Sent by this very redrive, which did not learn that it had arrived.
  if (own !== undefined && own.redriven_at === mark.redriven_at && own.topic === mark.topic) return redriven(mark);
  return { id, status: 'already-redriven', redriven_at: mark.redriven_at };
}

function superseded(
  { id }: Letter,
  { contract, events }: EventsOfLetter,
  newest: NewestVersions,
): RedriveResult | undefined {
  if (contract.cleanupPolicy !== 'compact' || !events.some((event) => newest.isSuperseded(contract, event))) return;
  const message = `${contract.name} has a newer version of this key; there is nothing to mend.`;
  return { id, status: 'not-redrivable', code: 'superseded', message };
}

function redriven({ id, topic, event_ids }: Redrive): RedriveResult {
  return { id, status: 'redriven', topic, event_ids };
}

function withoutEvents(id: string, reading: Exclude<LetterReading, { outcome: 'events' }>): RedriveResult {
  if (reading.outcome === 'refused') return { id, status: 'refused-again', problems: reading.problems };
  const { code, message } = reading;
  return { id, status: 'not-redrivable', code, message };
}

function resultOf(id: string, results: ReadonlyMap<string, RedriveResult>): RedriveResult {
  const result = results.get(id);
  if (result === undefined) throw new TypeError(`nothing is known of letter ${id}`);
  return result;
}
