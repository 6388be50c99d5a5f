import { createRandom } from './random.ts';
import { createDeviceFleet, type DeviceFleet } from './send/device-fleet.ts';
import { openSession, type Session, type SessionOptions } from './session.ts';
import { createTraffic, type Traffic } from './traffic.ts';
import { createWorld } from './world/world.ts';

export interface RunOptions extends Omit<SessionOptions, 'name'> {
  readonly seed: number;
  readonly paymentsPerSecond: number;
  readonly devices: number;
  /** People who pay; as many as make them busy but not absurdly so, when it is left out. */
  readonly shoppers?: number;
}

/** Everything of one run of live traffic, put together. */
export interface Run {
  readonly session: Session;
  readonly fleet: DeviceFleet;
  readonly traffic: Traffic;
  /** Connects the devices; returns when all are, or the signal is aborted. */
  connect(signal: AbortSignal): Promise<void>;
  /** Sends until the signal is aborted. @throws {SimulatorError} what a sender cannot go on from. */
  send(signal: AbortSignal): Promise<void>;
  /**
   * After `send` has returned: waits for acknowledgements, writes the ledger, and reports it as far as `reportMsMax`
   * allows; what is left over is reported by the next run. Returns how many events are not acknowledged.
   */
  finish(limits: { readonly drainMsMax: number; readonly reportMsMax: number }): Promise<number>;
  close(): Promise<void>;
}

/** Each of 400 people per payment and second pays every seven minutes on average. Busier than life, but not absurd. */
const SHOPPERS_PER_PAYMENT_RATE = 400;
const SHOPPERS = { min: 2_000, max: 100_000 };
const SHOPPERS_PER_MERCHANT = 50;
const MERCHANTS_MIN = 60;

export async function openRun(options: RunOptions): Promise<Run> {
  const { nowMs } = options;
  const session = await openSession({ ...options, name: 'simulator' });
  const { ledger, ingest } = session;
  const usual = Math.round(options.paymentsPerSecond * SHOPPERS_PER_PAYMENT_RATE);
  const shoppers = options.shoppers ?? clamp(usual, SHOPPERS.min, SHOPPERS.max);
  const world = createWorld({
    seed: options.seed,
    startMs: nowMs(),
    runId: session.id,
    paymentsPerSecond: options.paymentsPerSecond,
    shoppers,
    merchants: Math.max(MERCHANTS_MIN, Math.round(shoppers / SHOPPERS_PER_MERCHANT)),
    devices: options.devices,
  });
  const fleet = createDeviceFleet({
    url: options.addresses.mqtt,
    deviceIds: world.deviceIds,
    random: createRandom(options.seed, 'fleet'),
    nowMs,
  });
  const traffic = createTraffic({ world, ingest, fleet, ledger, nowMs, isHeld: session.isHeld });

  return {
    session,
    fleet,
    traffic,
    connect: (signal) => fleet.connect(signal),

    async send(signal) {
      // Connecting takes seconds; the world has stood still meanwhile.
      world.skipTo(nowMs());
      await traffic.run(signal);
    },

    async finish({ drainMsMax, reportMsMax }) {
      await traffic.drain(drainMsMax);
      await session.finish(reportMsMax);
      return traffic.drain(0);
    },

    async close() {
      await Promise.all([session.close(), fleet.close()]);
    },
  };
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
