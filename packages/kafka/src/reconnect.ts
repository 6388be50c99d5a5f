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

/** For a caller that tries again until a deadline: a broker that is still away is met by its next attempt. */
export async function tryToReconnect(cluster: Cluster, cause: unknown): Promise<void> {
  try {
    await reconnect(cluster, cause);
  } catch (error) {
    if (!toKafkaError(error, 'reconnect').retriable) throw error;
  }
}
