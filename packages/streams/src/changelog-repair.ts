import type { Kafka, KafkaAdmin } from '@millrace/kafka';
import { StreamsError } from './errors.ts';

const POLL_WAIT_MS = 500;
/** The record is there, so a broker that answers has it at once. */
const READ_MS_MAX = 30_000;

export interface ChangelogRecord {
  readonly applicationId: string;
  readonly topic: string;
  readonly partition: number;
  /** Of a record with the key to forget: an error `changelog-corrupt` names it. */
  readonly offset: number;
}

/**
 * The way out of a changelog with a record that its store cannot read: writes a tombstone for the key of that record,
 * after which a restore passes it by. What the application knew of the key is lost. Returns the key. Throws
 * `still-running`: a running task would write the key again, or not see that it is gone. Throws `not-found`.
 */
export async function forgetKey(
  kafka: Kafka,
  { applicationId, topic, partition, offset }: ChangelogRecord,
): Promise<string> {
  const admin = await kafka.admin();
  try {
    if (!changelogsOf(applicationId, [topic]).includes(topic))
      throw new StreamsError('not-found', `${topic} is not a changelog of ${applicationId}`);
    await assertStopped(admin, applicationId);
    const range = (await admin.offsets(topic)).find((candidate) => candidate.partition === partition);
    if (range === undefined || offset < range.start || offset >= range.end)
      throw new StreamsError(
        'not-found',
        `${topic}-${partition} ${range === undefined ? 'does not exist' : `holds the offsets from ${range.start} to ${range.end - 1}`}`,
      );
  } finally {
    await admin.close();
  }
  const key = await keyAt(kafka, topic, partition, offset);
  const producer = await kafka.producer();
  try {
    await producer.send([{ topic, records: [{ key, value: null, partition }] }]);
  } finally {
    await producer.close();
  }
  return key;
}

/**
 * Forgets all state of an application: deletes its changelogs. With `offsets` also where it was in its inputs, so that
 * it reads them again from their starts, and writes all it makes of them a second time; without, it goes on where it
 * was, knowing nothing. Returns the topics that were deleted. Throws `still-running`.
 */
export async function resetApplication(
  kafka: Kafka,
  applicationId: string,
  { offsets }: { readonly offsets: boolean },
): Promise<string[]> {
  const admin = await kafka.admin();
  try {
    await assertStopped(admin, applicationId);
    const topics = changelogsOf(applicationId, await admin.topics());
    if (topics.length > 0) await admin.deleteTopics(topics);
    if (offsets) await admin.deleteGroup(applicationId);
    return topics;
  } finally {
    await admin.close();
  }
}

async function assertStopped(admin: KafkaAdmin, applicationId: string): Promise<void> {
  const members = await admin.members(applicationId);
  if (members.length === 0) return;
  throw new StreamsError(
    'still-running',
    `${applicationId} runs: its group has ${members.length} members. Stop all its instances; one that was killed is gone from the group 6 s later`,
  );
}

const changelogsOf = (applicationId: string, topics: readonly string[]): string[] =>
  topics
    .filter(
      (topic) =>
        topic.startsWith(`${applicationId}.`) &&
        /^[^.]+\.[^.]+\.changelog$/.test(topic.slice(applicationId.length + 1)),
    )
    .sort();

async function keyAt(kafka: Kafka, topic: string, partition: number, offset: number): Promise<string> {
  const reader = await kafka.reader({ isolation: 'read_committed' });
  try {
    reader.assign([{ topic, partition, offset }]);
    for (const deadlineMs = Date.now() + READ_MS_MAX; Date.now() < deadlineMs; ) {
      for (const { records, nextOffset } of await reader.poll({ maxWaitMs: POLL_WAIT_MS })) {
        const key = records.find((record) => record.offset === offset)?.key;
        if (key !== undefined && key !== null) return key.toString('utf8');
        if (nextOffset > offset)
          throw new StreamsError(
            'not-found',
            `${topic}-${partition} has no record at offset ${offset}, or one without a key`,
          );
      }
    }
    throw new StreamsError('not-found', `${topic}-${partition}@${offset} could not be read within ${READ_MS_MAX} ms`);
  } finally {
    await reader.close();
  }
}
