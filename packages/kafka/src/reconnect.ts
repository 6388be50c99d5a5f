import { toKafkaError } from './errors.ts';
import type { Cluster } from './kafkajs-internals.ts';

/** Drops the connection that failed and asks for the metadata again, so that the next attempt finds the new leaders. */
export async function reconnect(cluster: Cluster, error: unknown): Promise<void> {
  const { name, host, port } = error as { name?: string; host?: string; port?: number };
  if (name === 'KafkaJSConnectionClosedError' && host !== undefined && port !== undefined) {
    cluster.removeBroker({ host, port });
  }
  try {
    if (!cluster.isConnected()) await cluster.connect();
    await cluster.refreshMetadata();
  } catch (cause) {
    throw toKafkaError(cause, 'no broker answers');
  }
}
