import type { Producer } from '@millrace/kafka';

export interface LastingProducerOptions {
  open(): Promise<Producer>;
  /** After so long without a record the connections are not trusted any more. */
  readonly idleMsMax: number;
  /** Wall clock, epoch milliseconds: it goes on while an environment is frozen. */
  readonly nowMs: () => number;
  /** Called when an old producer could not be closed, which matters to nobody but a reader of logs. */
  onLost(error: unknown): void;
}

/**
 * A producer that lasts through the freezes of an execution environment. What a connection is after one nobody knows: a
 * request into the void would wait for its timeout, and its sender with it. So a producer that was idle for long is put
 * aside, and a new one opened.
 *
 * Delivery: as that of the producers. They are used one after the other, never two at a time.
 */
export function createLastingProducer({ open, idleMsMax, nowMs, onLost }: LastingProducerOptions): Producer {
  let current: Promise<Producer> | undefined;
  let usedAtMs = nowMs();
  let tail: Promise<unknown> = Promise.resolve();

  const retire = (): void => {
    const old = current;
    current = undefined;
    // Not waited for: a peer that is gone does not say goodbye.
    old?.then((producer) => producer.close()).catch(onLost);
  };
  const producerNow = async (): Promise<Producer> => {
    if (nowMs() - usedAtMs > idleMsMax) retire();
    current ??= open();
    try {
      return await current;
    } catch (error) {
      current = undefined;
      throw error;
    }
  };
  return {
    send: (batches) => {
      const sent = tail.then(async () => {
        const producer = await producerNow();
        await producer.send(batches);
        usedAtMs = nowMs();
      });
      tail = Promise.allSettled([sent]); // the caller has the error; the next batch goes on
      return sent;
    },
    close: async () => {
      const closing = current;
      current = undefined;
      await (await closing)?.close();
    },
  };
}
