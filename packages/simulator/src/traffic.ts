import { setTimeout as sleep } from 'node:timers/promises';
import type { Ledger } from './ledger/ledger.ts';
import type { DeviceFleet } from './send/device-fleet.ts';
import { type Outgoing, type RouteKind, sendArray, sendLines } from './send/event-sender.ts';
import type { HttpClient } from './send/http-client.ts';
import { createLanes, type Lanes } from './send/lanes.ts';
import type { MalformedEvent, PaymentEvent, TelemetryEvent, WorldEvent } from './world/events.ts';
import type { World } from './world/world.ts';

export interface TrafficOptions {
  readonly world: World;
  readonly ingest: HttpClient;
  readonly fleet: DeviceFleet;
  readonly ledger: Ledger;
  readonly nowMs: () => number;
  /** Holds everything back while it is true: the ledger has grown too far ahead of what the API was told. */
  readonly isHeld: () => boolean;
}

/** Beside what the ledger counts. */
export interface TrafficCounts {
  /** Duplicates sent on purpose. */
  readonly duplicates: number;
  /** Malformed messages that were sent, and how many of the HTTP ones were taken, which none should be. */
  readonly malformed: number;
  readonly malformedAccepted: number;
  readonly labels: number;
}

export interface Traffic {
  /** Runs the world in step with the clock until the signal is aborted. @throws what a sender cannot go on from. */
  run(signal: AbortSignal): Promise<void>;
  /** Waits for what is under way, at most `waitMs`. Returns what is still not acknowledged. */
  drain(waitMs: number): Promise<number>;
  counts(): TrafficCounts;
}

const TICK_MS = 20;
/** After a longer pause (ingest was away, the laptop slept) the world goes on from now instead of catching up. */
const CATCH_UP_MS_MAX = 5_000;
/** Four lanes of payments keep the order of a customer's payments and use as many connections. */
const PAYMENT_LANES = 4;
const PAYMENTS_PER_REQUEST_MAX = 500;
const PAYMENTS_UNDER_WAY_MAX = 10_000;
const LINES_PER_REQUEST_MAX = 1_000;
const LINGER_MS = 5;
const DRAIN_POLL_MS = 20;

/**
 * Sends what happens in a world, when it happens: payments, labels and reference data over HTTP, readings over MQTT.
 *
 * Delivery: at least once with the same ids; an event is `sent` in the ledger before it leaves and `acknowledged` when
 * ingest has said so. When a sender's limit is reached the world stands still, so memory is bounded whatever is away.
 */
export function createTraffic(options: TrafficOptions): Traffic {
  const { world, ingest, fleet, ledger, nowMs } = options;
  const counts = { duplicates: 0, malformed: 0, malformedAccepted: 0, labels: 0 };
  const duplicates = new WeakSet<Outgoing>();

  const payments = createLanes<Outgoing>({
    lanes: PAYMENT_LANES,
    batchMax: PAYMENTS_PER_REQUEST_MAX,
    lingerMs: LINGER_MS,
    itemsMax: PAYMENTS_UNDER_WAY_MAX,
    async send(batch) {
      const { accepted, refused } = await sendArray(ingest, 'payments', batch);
      for (const event of accepted) if (!duplicates.has(event)) ledger.acknowledged('payment', event.id);
      for (const { event, reason } of refused) if (!duplicates.has(event)) ledger.refused('payment', event.id, reason);
    },
  });
  const lines = (kind: RouteKind): Lanes<Outgoing> =>
    createLanes({
      lanes: 1,
      batchMax: LINES_PER_REQUEST_MAX,
      lingerMs: LINGER_MS,
      itemsMax: PAYMENTS_UNDER_WAY_MAX,
      async send(batch) {
        await sendLines(ingest, kind, batch);
      },
    });
  const others = {
    label: lines('labels'),
    merchant: lines('merchants'),
    device: lines('devices'),
    customer: lines('customers'),
  };
  const malformed = createLanes<MalformedEvent>({
    lanes: 1,
    batchMax: 1,
    lingerMs: 0,
    itemsMax: PAYMENTS_UNDER_WAY_MAX,
    async send([event]) {
      if (event === undefined) return;
      const answer = await ingest.post({ path: '/v1/payments', body: event.body, contentType: 'application/json' });
      if (answer.status < 400) counts.malformedAccepted += 1;
    },
  });
  const all = [payments, malformed, ...Object.values(others)];

  function sendPayment({ event, delivery }: PaymentEvent): void {
    const outgoing = { id: event.transaction_id, json: JSON.stringify(event) };
    if (delivery === 'duplicate') {
      counts.duplicates += 1;
      duplicates.add(outgoing);
    } else {
      ledger.sent('payment', outgoing.id);
    }
    payments.add(event.customer_id, outgoing);
  }

  function sendReading({ event, delivery }: TelemetryEvent): void {
    const id = `${event.device_id}:${event.event_time}:${event.sequence}`;
    const first = delivery !== 'duplicate';
    if (first) ledger.sent('telemetry', id);
    else counts.duplicates += 1;
    fleet.publish(event.device_id, JSON.stringify(event), () => {
      if (first) ledger.acknowledged('telemetry', id);
    });
  }

  function sendMalformed(event: MalformedEvent): void {
    counts.malformed += 1;
    if (event.target.kind === 'payment') malformed.add('', event);
    // MQTT 3.1.1 cannot say no: ingest acknowledges it and keeps it as a dead letter.
    else fleet.publish(event.target.deviceId, event.body, () => {});
  }

  function send(event: WorldEvent): void {
    switch (event.kind) {
      case 'payment':
        sendPayment(event);
        break;
      case 'telemetry':
        sendReading(event);
        break;
      case 'malformed':
        sendMalformed(event);
        break;
      default:
        if (event.kind === 'label') counts.labels += 1;
        others[event.kind].add('', { id: '', json: JSON.stringify(event.event) });
    }
  }

  const isFull = () => fleet.full || all.some((lanes) => lanes.full) || options.isHeld();

  /** Returns when there is room everywhere, or the signal is aborted. @throws what ended a sender. */
  async function room(signal: AbortSignal): Promise<void> {
    for (;;) {
      for (const lanes of all) lanes.check();
      if (!isFull() || signal.aborted) return;
      await sleep(TICK_MS);
    }
  }

  return {
    async run(signal) {
      let doneMs = nowMs();
      while (!signal.aborted) {
        const now = nowMs();
        if (now - doneMs > CATCH_UP_MS_MAX) world.skipTo(now);
        for (const event of world.events(now)) {
          send(event);
          if (isFull()) await room(signal);
          if (signal.aborted) return;
        }
        doneMs = now;
        await room(signal);
        await sleep(TICK_MS);
      }
    },

    async drain(waitMs) {
      const deadlineMs = performance.now() + waitMs;
      const left = () => all.reduce((sum, lanes) => sum + lanes.size, 0);
      while (left() > 0 && performance.now() < deadlineMs) await sleep(DRAIN_POLL_MS);
      return left() + (await fleet.drain(Math.max(0, deadlineMs - performance.now())));
    },

    counts: () => ({ ...counts }),
  };
}
