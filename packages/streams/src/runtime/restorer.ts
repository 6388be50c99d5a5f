import { setTimeout as sleep } from 'node:timers/promises';
import { type Kafka, KafkaError, type PartitionReader, type TopicPartition } from '@millrace/kafka';
import type { ChangelogFeed } from './changelog-feed.ts';

const POLL_WAIT_MS = 50;
const RETRY_WAIT_MS = 200;
/** A restore reads much and at once: larger fetches than the live ones, so that it spends its time on records. */
const PARTITION_BYTES_MAX = 2 * 1024 * 1024;

interface Job {
  readonly feed: ChangelogFeed;
  readonly onProgress: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface Restorer {
  /**
   * Reads a changelog partition from where its feed is to where it ends now. Resolves when the last record has been
   * applied; `onProgress` is called after every fetch. Nobody else may write to the partition meanwhile: the caller
   * has fenced its predecessor. Rejects with `changelog-corrupt`, or with what stood in the way of reading.
   */
  restore(feed: ChangelogFeed, onProgress: () => void): Promise<void>;
  close(): Promise<void>;
}

/** One reader for all restores of an instance, so that tasks which start together share its fetches. */
export async function createRestorer(kafka: Kafka): Promise<Restorer> {
  const reader = await kafka.reader({ isolation: 'read_committed', partitionBytesMax: PARTITION_BYTES_MAX });
  const jobs = new Map<string, Job>();
  let polling: Promise<void> | undefined;
  let closed = false;

  return {
    restore: (feed, onProgress) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new KafkaError('closed', 'the restorer is closed'));
        jobs.set(feed.id, { feed, onProgress, resolve, reject });
        reader.assign([{ ...feed.partition, offset: feed.nextOffset }]);
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
      for (const batch of await reader.poll({ maxWaitMs: POLL_WAIT_MS })) {
        const job = jobs.get(keyOf(batch));
        if (job === undefined) continue;
        job.feed.apply(batch);
        job.onProgress();
        if (batch.nextOffset < batch.endOffset) continue;
        jobs.delete(keyOf(batch));
        reader.unassign([batch]);
        try {
          job.feed.check();
          job.resolve();
        } catch (error) {
          job.reject(error);
        }
      }
    } catch (error) {
      if (!(error instanceof KafkaError) || !error.retriable) finishAll(reader, jobs, error);
      else await sleep(RETRY_WAIT_MS);
    }
  }
}

function finishAll(reader: PartitionReader, jobs: Map<string, Job>, error: unknown): void {
  for (const { feed, reject } of jobs.values()) {
    reader.unassign([feed.partition]);
    reject(error);
  }
  jobs.clear();
}

const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;
