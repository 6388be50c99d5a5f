import type { InRecord, ReadBatch } from '@millrace/kafka';

interface Queue {
  records: InRecord[];
  /** The next record to take. */
  at: number;
  /** What a commit says when the queue is empty: also past control records and aborted transactions. */
  nextOffset: number | undefined;
  endOffset: number;
  caughtUp: boolean;
  /** There was an answer of the broker since `confirmQuiet` last said yes. */
  answered: boolean;
}

/**
 * The records of a task that have been fetched and not processed, one queue per input topic.
 *
 * The next record is the one with the smallest event time among the heads. A queue that is empty while its partition
 * is known to have more makes the task wait, so that a join sees its sides in the order of their times also when it
 * catches up (as `max.task.idle.ms` does for Kafka Streams).
 */
export class InputQueues {
  readonly #queues: ReadonlyMap<string, Queue>;

  constructor(topics: readonly string[]) {
    this.#queues = new Map(
      topics.map((topic) => [
        topic,
        { records: [], at: 0, nextOffset: undefined, endOffset: 0, caughtUp: false, answered: false },
      ]),
    );
  }

  get length(): number {
    let length = 0;
    for (const { records, at } of this.#queues.values()) length += records.length - at;
    return length;
  }

  lengthOf(topic: string): number {
    const queue = this.#queues.get(topic);
    return queue === undefined ? 0 : queue.records.length - queue.at;
  }

  push({ topic, records, nextOffset, endOffset }: ReadBatch): void {
    const queue = this.#queues.get(topic);
    if (queue === undefined) return;
    if (records.length > 0) {
      queue.records = queue.at === queue.records.length ? [...records] : queue.records.slice(queue.at).concat(records);
      queue.at = 0;
    }
    queue.nextOffset = nextOffset;
    queue.endOffset = endOffset;
    queue.caughtUp = nextOffset >= endOffset;
    queue.answered = true;
  }

  /** The next record in the order of event time, or `undefined` when there is none or it is not certain yet. */
  take(): InRecord | undefined {
    let next: Queue | undefined;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const queue of this.#queues.values()) {
      const head = queue.records[queue.at];
      if (head === undefined) {
        if (!queue.caughtUp) return undefined;
      } else if (head.timestampMs < nextMs || next === undefined) {
        next = queue;
        nextMs = head.timestampMs;
      }
    }
    if (next === undefined) return undefined;
    const record = next.records[next.at];
    next.at += 1;
    return record;
  }

  /** The offset that says "all before this is done": of the next record, or behind all that has been read. */
  doneBefore(topic: string): number | undefined {
    const queue = this.#queues.get(topic);
    return queue?.records[queue.at]?.offset ?? queue?.nextOffset;
  }

  /** There is nothing to process, and since the last `true` the broker has said of every input that it has no more. */
  confirmQuiet(): boolean {
    const queues = [...this.#queues.values()];
    if (!queues.every(({ records, at, caughtUp, answered }) => at === records.length && caughtUp && answered))
      return false;
    for (const queue of queues) queue.answered = false;
    return true;
  }

  /** Records not processed yet, as far as the last fetch knew; offsets of control records included. */
  lagOf(topic: string): number {
    const queue = this.#queues.get(topic);
    if (queue?.nextOffset === undefined) return 0;
    return Math.max(0, queue.endOffset - queue.nextOffset) + (queue.records.length - queue.at);
  }
}
