import { setTimeout as sleep } from 'node:timers/promises';
import { recordHeaders, type TopicContract } from '@millrace/contracts';
import type { OutRecord, Producer } from '@millrace/kafka';
import { childrenOf, newTraceparent } from '@millrace/observability';
import { IngestError } from './errors.ts';

export interface PublisherLimits {
  /** How long the first record of a batch waits for company when Kafka is idle. */
  readonly lingerMs: number;
  readonly batchRecordsMax: number;
  /** All of a batch may go to one partition, so this stays under the broker's `message.max.bytes`. */
  readonly batchBytesMax: number;
  /** Queued and in flight together; from here on `publish` refuses with `overloaded`. */
  readonly queueRecordsMax: number;
  readonly queueBytesMax: number;
  /** A batch that Kafka has not confirmed after this time counts as failed for those who wait for it. */
  readonly confirmMsMax: number;
}

export const PUBLISHER_LIMITS: PublisherLimits = {
  lingerMs: 2,
  batchRecordsMax: 2_000,
  batchBytesMax: 900_000,
  queueRecordsMax: 20_000,
  queueBytesMax: 16 * 1024 * 1024,
  confirmMsMax: 5_000,
};

export interface PublisherOptions {
  readonly producer: Producer;
  /** Asks Kafka for anything; rejects when it does not answer. Tells when to accept again after a failure. */
  readonly probe: () => Promise<unknown>;
  readonly nowMs: () => number;
  readonly limits?: PublisherLimits;
  /** Called on every change; `reason` says what failed. */
  readonly onAvailability?: (available: boolean, reason: string) => void;
  readonly onBatch?: (batch: { readonly records: number; readonly bytes: number; readonly durationMs: number }) => void;
}

export interface EventsOfTopic {
  readonly contract: TopicContract<unknown>;
  readonly events: readonly unknown[];
}

/** Told once how a call ended: without an error when all in-sync replicas have every event of it. */
export type Settled = (error?: IngestError) => void;

interface Waiter {
  /** `undefined` once it has been called. */
  settled: Settled | undefined;
  /** Batches that hold records of this call and are not confirmed yet. */
  unconfirmed: number;
}

interface Batch {
  readonly recordsByTopic: Map<string, OutRecord[]>;
  readonly waiters: Waiter[];
  records: number;
  bytes: number;
}

/** Key, four headers and framing of one record. An estimate on the high side: limits are about memory, not billing. */
const RECORD_OVERHEAD_BYTES = 320;

const PROBE_DELAY_MS_MIN = 100;
const PROBE_DELAY_MS_MAX = 2_000;

/**
 * Gathers events of many callers into batches for one idempotent producer.
 *
 * Delivery: `publish` resolves after all in-sync replicas have every event of the call. One batch is in flight at a
 * time, so events of one key are written in the order of the calls. When a batch fails, everything queued behind it
 * fails too: a caller that sends its events again in order then never sees a later event of a key overtake an earlier
 * one. A failed call may have been written all the same; the ids make the repetition harmless further on.
 *
 * Queue and batches are bounded. After a failure nothing is taken until the probe succeeds, so memory stays flat
 * while Kafka is away.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #limits: PublisherLimits;
  readonly #queue: Batch[] = [];
  readonly #readyWaiters: (() => void)[] = [];
  #records = 0;
  #bytes = 0;
  #sending = false;
  #lingerTimer: NodeJS.Timeout | undefined;
  #unavailable: IngestError | undefined;
  #closing = false;
  #idle: (() => void) | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#limits = options.limits ?? PUBLISHER_LIMITS;
  }

  /** Records queued or in flight. */
  get depth(): number {
    return this.#records;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get available(): boolean {
    return this.#unavailable === undefined && !this.#closing;
  }

  get closing(): boolean {
    return this.#closing;
  }

  get full(): boolean {
    return this.#records >= this.#limits.queueRecordsMax || this.#bytes >= this.#limits.queueBytesMax;
  }

  /** `publishAll` of events for one topic. */
  publish<T>(contract: TopicContract<T>, events: readonly T[], traceparent?: string): Promise<void> {
    return this.publishAll([{ contract, events }], traceparent);
  }

  /**
   * Takes all events or none, and writes them in order. With a `traceparent` they join that trace, each as a child;
   * without one each event begins a trace of its own. Rejects with `overloaded`, `unavailable` or `closed`.
   */
  publishAll(parts: readonly EventsOfTopic[], traceparent?: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.take(parts, traceparent, (error) => (error === undefined ? resolve() : reject(error)));
    });
  }

  /** `publishAll` without a promise, for those who publish one event at a time. A refusal is told at once. */
  take(parts: readonly EventsOfTopic[], traceparent: string | undefined, settled: Settled): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      settled(refusal);
      return;
    }
    const waiter: Waiter = { settled, unconfirmed: 0 };
    const ingestedAtMs = this.#options.nowMs();
    const nextTraceparent = traceparent === undefined ? newTraceparent : childrenOf(traceparent);
    for (const { contract, events } of parts) {
      for (const event of events) this.#append(contract, event, nextTraceparent(), ingestedAtMs, waiter);
    }
    if (waiter.unconfirmed === 0) settled();
    else this.#schedule();
  }

  /** Whether `publish` would take events now. */
  get ready(): boolean {
    return this.available && !this.full;
  }

  /** Resolves when the publisher is ready, or closing; those who wait go on in the order of their calls. */
  whenReady(): Promise<void> {
    if (this.ready || this.#closing) return Promise.resolve();
    return new Promise((resolve) => this.#readyWaiters.push(resolve));
  }

  /** Takes nothing more, and resolves when all that was taken is confirmed or refused. The producer stays open. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#wake();
    clearTimeout(this.#lingerTimer);
    this.#lingerTimer = undefined;
    // While Kafka is away everybody has been refused already.
    if (this.#records === 0 || this.#unavailable !== undefined) return;
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
    void this.#drain();
    await idle;
  }

  /**
   * Asks Kafka when no traffic does, so that readiness is true of an idle service as well. For a timer to call.
   */
  async check(): Promise<void> {
    if (this.#records > 0 || !this.available) return;
    try {
      await this.#probe();
    } catch (cause) {
      this.#away(new IngestError('unavailable', 'Kafka does not answer.', { cause }), Promise.resolve());
    }
  }

  async #probe(): Promise<void> {
    const late = new AbortController();
    const timeout = sleep(this.#limits.confirmMsMax, undefined, { signal: late.signal, ref: false }).then(() => {
      throw new Error(`no answer within ${this.#limits.confirmMsMax} ms`);
    });
    try {
      await Promise.race([this.#options.probe(), timeout]);
    } finally {
      late.abort();
      // The aborted wait rejects, and so may it have done before the probe: either way it has been heard above.
      timeout.catch(() => undefined);
    }
  }

  #refusal(): IngestError | undefined {
    if (this.#closing) return new IngestError('closed', 'The service is stopping.');
    if (this.#unavailable !== undefined) return this.#unavailable;
    if (this.full) return new IngestError('overloaded', `${this.#records} events wait for Kafka already.`);
    return undefined;
  }

  #append<T>(contract: TopicContract<T>, event: T, traceparent: string, ingestedAtMs: number, waiter: Waiter): void {
    const value = contract.encode(event);
    const headers = recordHeaders({
      schema: contract.schema,
      eventId: contract.eventId(event),
      traceparent,
      ingestedAtMs,
    });
    const record = { key: contract.key(event), value, headers, timestampMs: contract.timestampMs(event) };
    const bytes = Buffer.byteLength(value) + RECORD_OVERHEAD_BYTES;
    let batch = this.#queue.at(-1);
    const fits =
      batch !== undefined &&
      batch.records < this.#limits.batchRecordsMax &&
      batch.bytes + bytes <= this.#limits.batchBytesMax;
    if (batch === undefined || !fits) {
      batch = { recordsByTopic: new Map(), waiters: [], records: 0, bytes: 0 };
      this.#queue.push(batch);
    }
    const records = batch.recordsByTopic.get(contract.name);
    if (records === undefined) batch.recordsByTopic.set(contract.name, [record]);
    else records.push(record);
    if (batch.waiters.at(-1) !== waiter) {
      batch.waiters.push(waiter);
      waiter.unconfirmed += 1;
    }
    batch.records += 1;
    batch.bytes += bytes;
    this.#records += 1;
    this.#bytes += bytes;
  }

  #schedule(): void {
    if (this.#sending) return;
    if (this.#queue.length > 1) {
      void this.#drain();
      return;
    }
    this.#lingerTimer ??= setTimeout(() => void this.#drain(), this.#limits.lingerMs);
  }

  /** While a batch is in flight the next one fills, so under load the batch size follows Kafka's pace by itself. */
  async #drain(): Promise<void> {
    clearTimeout(this.#lingerTimer);
    this.#lingerTimer = undefined;
    if (this.#sending) return;
    this.#sending = true;
    for (let batch = this.#queue.shift(); batch !== undefined; batch = this.#queue.shift()) await this.#send(batch);
    this.#sending = false;
    this.#idle?.();
  }

  async #send(batch: Batch): Promise<void> {
    const startedMs = performance.now();
    // 1. Hand the whole batch over. A producer that throws at once fails like one that rejects.
    const sent = (async () =>
      this.#options.producer.send(Array.from(batch.recordsByTopic, ([topic, records]) => ({ topic, records }))))();
    // 2. Callers do not wait for ever: past the limit they are told that Kafka did not confirm.
    const timer = setTimeout(() => {
      this.#fail(batch, new Error(`not confirmed within ${this.#limits.confirmMsMax} ms`), sent);
    }, this.#limits.confirmMsMax);
    try {
      // 3. The next batch waits for this one even when nobody waits for its answer any more: order.
      await sent;
    } catch (error) {
      this.#fail(batch, error, sent);
      return;
    } finally {
      clearTimeout(timer);
      this.#release(batch);
    }
    // 4. Only now is anything accepted.
    for (const waiter of batch.waiters) {
      waiter.unconfirmed -= 1;
      if (waiter.unconfirmed === 0) settle(waiter);
    }
    const { records, bytes } = batch;
    this.#options.onBatch?.({ records, bytes, durationMs: performance.now() - startedMs });
  }

  #fail(batch: Batch, cause: unknown, sent: Promise<void>): void {
    const error = new IngestError('unavailable', 'Kafka did not confirm the events.', { cause });
    // First, so that nobody who is told gets anything taken in between.
    this.#away(error, sent);
    const queued = this.#queue.splice(0);
    for (const each of queued) this.#release(each);
    for (const { waiters } of [batch, ...queued]) for (const waiter of waiters) settle(waiter, error);
    this.#idle?.();
  }

  #away(error: IngestError, sent: Promise<void>): void {
    if (this.#unavailable !== undefined) return;
    this.#unavailable = error;
    this.#options.onAvailability?.(false, String(error.cause));
    void this.#recover(sent);
  }

  async #recover(sent: Promise<void>): Promise<void> {
    // How it ended was answered in #send; here only the end matters, because no second batch may overtake it.
    await Promise.allSettled([sent]);
    for (let delayMs = PROBE_DELAY_MS_MIN; !this.#closing; delayMs = Math.min(delayMs * 2, PROBE_DELAY_MS_MAX)) {
      await sleep(delayMs, undefined, { ref: false });
      const [{ status }] = await Promise.allSettled([this.#probe()]);
      if (status === 'rejected') continue;
      this.#unavailable = undefined;
      this.#options.onAvailability?.(true, 'Kafka answers');
      this.#wake();
      return;
    }
  }

  #release(batch: Batch): void {
    this.#records -= batch.records;
    this.#bytes -= batch.bytes;
    this.#wake();
  }

  #wake(): void {
    if (this.ready || this.#closing) for (const resolve of this.#readyWaiters.splice(0)) resolve();
  }
}

/** What a caller does with the answer is not this batch's fault: an error there is nobody's to catch, and ends the process. */
function settle(waiter: Waiter, error?: IngestError): void {
  const { settled } = waiter;
  if (settled === undefined) return;
  waiter.settled = undefined;
  try {
    settled(error);
  } catch (fault) {
    queueMicrotask(() => {
      throw fault;
    });
  }
}
