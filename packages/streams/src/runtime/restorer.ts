import { setTimeout as sleep } from 'node:timers/promises';
import { type InRecord, type Kafka, KafkaError, type PartitionReader, type TopicPartition } from '@millrace/kafka';

const POLL_WAIT_MS = 50;
const RETRY_WAIT_MS = 200;

interface Job {
  readonly partition: TopicPartition;
  readonly onRecord: (record: InRecord) => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface Restorer {
  /**
   * Reads a partition from its start to where it ends now. Records come in order; the promise resolves when the last
   * has been handed over. Nobody else may write to the partition meanwhile: the caller has fenced its predecessor.
   */
  restore(partition: TopicPartition, onRecord: (record: InRecord) => void): Promise<void>;
  close(): Promise<void>;
}

/** One reader for all restores of an instance, so that tasks which start together share its fetches. */
export async function createRestorer(kafka: Kafka): Promise<Restorer> {
  const reader = await kafka.reader({ isolation: 'read_committed' });
  const jobs = new Map<string, Job>();
  let polling: Promise<void> | undefined;
  let closed = false;

  return {
    restore: (partition, onRecord) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new KafkaError('closed', 'the restorer is closed'));
        jobs.set(keyOf(partition), { partition, onRecord, resolve, reject });
        reader.assign([{ ...partition, offset: 'start' }]);
        polling ??= pollAll(reader, jobs).finally(() => {
          polling = undefined;
        });
      }),
    close: async () => {
      closed = true;
      finishAll(reader, jobs, new KafkaError('closed', 'the restorer was closed during a restore'));
      await polling;
      await reader.close();
    },
  };
}

async function pollAll(reader: PartitionReader, jobs: Map<string, Job>): Promise<void> {
  while (jobs.size > 0) {
    try {
      for (const { topic, partition, records, nextOffset, endOffset } of await reader.poll({
        maxWaitMs: POLL_WAIT_MS,
      })) {
        const job = jobs.get(keyOf({ topic, partition }));
        if (job === undefined) continue;
        for (const record of records) job.onRecord(record);
        if (nextOffset < endOffset) continue;
        jobs.delete(keyOf(job.partition));
        reader.unassign([job.partition]);
        job.resolve();
      }
    } catch (error) {
      if (!(error instanceof KafkaError) || !error.retriable) finishAll(reader, jobs, error);
      else await sleep(RETRY_WAIT_MS);
    }
  }
}

function finishAll(reader: PartitionReader, jobs: Map<string, Job>, error: unknown): void {
  for (const { partition, reject } of jobs.values()) {
    reader.unassign([partition]);
    reject(error);
  }
  jobs.clear();
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;
