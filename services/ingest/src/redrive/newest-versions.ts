import { ContractError, type TopicContract } from '@millrace/contracts';
import type { Kafka } from '@millrace/kafka';
import { openMarks } from '../compacted-marks.ts';

export interface NewestVersions {
  /** Whether a topic has a newer version of this value's key, or has forgotten the key. */
  isSuperseded(contract: TopicContract<unknown>, value: unknown): boolean;
}

/**
 * What topics that keep the newest value per key have for the keys of these values. Written again, an old version would
 * be the newest by its place, and all that is left after compaction.
 *
 * Costs a read of the topics, which hold reference data.
 */
export async function readNewestVersions(
  kafka: Pick<Kafka, 'reader'>,
  values: readonly { readonly contract: TopicContract<unknown>; readonly value: unknown }[],
): Promise<NewestVersions> {
  const newestByTopic = new Map<string, Map<string, number>>();
  for (const [contract, ofTopic] of Map.groupBy(values, ({ contract }) => contract)) {
    const keys = new Set(ofTopic.map(({ value }) => contract.key(value)));
    const newest = new Map<string, number>();
    newestByTopic.set(contract.name, newest);
    const versions = await openMarks<unknown>({
      kafka,
      contract: { ...contract, decode: (bytes) => decodeOrNothing(contract, bytes) },
      isWanted: (key) => keys.has(key),
      onMark(key, value) {
        if (value === UNREADABLE) return;
        const timeMs = value === undefined ? Number.POSITIVE_INFINITY : contract.timestampMs(value);
        // A value behind a tombstone brings the key back.
        const known = newest.get(key);
        newest.set(key, known === undefined || known === Number.POSITIVE_INFINITY ? timeMs : Math.max(known, timeMs));
      },
    });
    try {
      await versions.catchUp();
    } finally {
      await versions.close();
    }
  }
  return {
    isSuperseded: (contract, value) => {
      const newestMs = newestByTopic.get(contract.name)?.get(contract.key(value));
      return newestMs !== undefined && newestMs > contract.timestampMs(value);
    },
  };
}

/** A record that nobody can read, such as the one that the letter is about. */
const UNREADABLE = Symbol('unreadable');

function decodeOrNothing(contract: TopicContract<unknown>, bytes: Uint8Array): unknown {
  try {
    return contract.decode(bytes);
  } catch (error) {
    if (error instanceof ContractError) return UNREADABLE;
    throw error;
  }
}
