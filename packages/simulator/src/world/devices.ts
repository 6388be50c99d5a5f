import { createRandom, type Random } from '../random.ts';
import type { Scenario, WireDevice, WireTelemetry } from './events.ts';
import type { Market, MerchantPlace } from './merchants.ts';
import { DAY_MS, localTime } from './places.ts';

export type DeviceKind = 'terminal' | 'atm' | 'climate-sensor' | 'power-meter';

export interface DevicePlace {
  readonly deviceId: string;
  readonly kind: DeviceKind;
  readonly merchant: MerchantPlace;
  readonly firmware: string;
}

/** What may be wrong with a device for a while. */
export type Trouble = {
  readonly untilMs: number;
} & (
  | { readonly kind: 'tampered' }
  | { readonly kind: 'broken'; readonly way: 'stuck' | 'spiking' | 'drifting'; readonly sinceMs: number }
);

export interface Devices {
  readonly all: readonly DevicePlace[];
  /** Terminals of shops that report over MQTT: the only ones whose tampering can be seen. */
  readonly terminals: readonly DevicePlace[];
  /** The reading of a device at that time, and the scenario that it belongs to, if any. */
  read(index: number, timeMs: number): { readonly reading: WireTelemetry; readonly scenario: Scenario | undefined };
  tamper(deviceId: string, untilMs: number): void;
}

const TERMINAL_SHARE = 0.6;
const FIRMWARES = ['2.3.0', '2.4.1', '2.4.2'];
/** A sensor breaks once a day on average, for a quarter of an hour. */
const BREAKS_EVERY_MS = DAY_MS;
const BROKEN_MS = 15 * 60_000;
/** Fridges defrost; 4 °C is where they should be. */
const FRIDGE_C = 4;

interface DeviceState {
  readonly random: Random;
  readonly openness: number;
  sequence: number;
  energyKwh: number;
  trouble: Trouble | undefined;
}

/**
 * Terminals and cash machines, fridge sensors and power meters of the merchants. `sequenceStart` should grow from run
 * to run, because a device's sequence numbers only ever grow.
 */
export function createDevices(
  seed: number,
  market: Market,
  options: { readonly count: number; readonly intervalMs: number; readonly sequenceStart: number },
): Devices {
  const all = placeDevices(seed, market, options.count);
  const states = all.map((_, index): DeviceState => {
    const random = createRandom(seed, 'device', index);
    const openness = random.uniform();
    return {
      random,
      openness,
      sequence: options.sequenceStart,
      energyKwh: random.integer(100, 90_000),
      trouble: undefined,
    };
  });
  const indexOf = new Map(all.map(({ deviceId }, index) => [deviceId, index]));

  return {
    all,
    terminals: all.filter(({ kind }) => kind === 'terminal'),

    read(index, timeMs) {
      const device = all[index];
      const state = states[index];
      if (device === undefined || state === undefined) throw new RangeError(`no device ${index}`);
      if (state.trouble !== undefined && timeMs >= state.trouble.untilMs) state.trouble = undefined;
      if (
        state.trouble === undefined &&
        canBreak(device) &&
        state.random.chance(options.intervalMs / BREAKS_EVERY_MS)
      ) {
        const way = state.random.pick(['stuck', 'spiking', 'drifting'] as const);
        state.trouble = { kind: 'broken', way, sinceMs: timeMs, untilMs: timeMs + BROKEN_MS };
      }
      const sequence = state.sequence;
      state.sequence += 1;
      const reading: WireTelemetry = {
        device_id: device.deviceId,
        event_time: timeMs,
        sequence,
        metrics: measure(device, state, timeMs, options.intervalMs),
        firmware: device.firmware,
      };
      return { reading, scenario: scenarioOf(state.trouble) };
    },

    tamper(deviceId, untilMs) {
      const state = states[indexOf.get(deviceId) ?? -1];
      if (state !== undefined) state.trouble = { kind: 'tampered', untilMs };
    },
  };
}

export function deviceRecord({ deviceId, kind, merchant, firmware }: DevicePlace, updatedAtMs: number): WireDevice {
  return {
    device_id: deviceId,
    updated_at: updatedAtMs,
    merchant_id: merchant.merchantId,
    kind,
    country: merchant.city.country,
    latitude: merchant.latitude,
    longitude: merchant.longitude,
    firmware,
  };
}

function placeDevices(seed: number, market: Market, count: number): DevicePlace[] {
  const random = createRandom(seed, 'devices');
  const shops = market.merchants.filter(({ terminalIds }) => terminalIds.length > 0);
  const terminals = shops
    .flatMap((merchant) => merchant.terminalIds.map((deviceId) => ({ deviceId, merchant })))
    .slice(0, Math.ceil(count * TERMINAL_SHARE))
    .map(({ deviceId, merchant }): DevicePlace => {
      const kind = merchant.category.channel === 'atm' ? 'atm' : 'terminal';
      return { deviceId, kind, merchant, firmware: random.pick(FIRMWARES) };
    });
  const sensors = Array.from({ length: count - terminals.length }, (_, index): DevicePlace => {
    const kind = index % 2 === 0 ? 'climate-sensor' : 'power-meter';
    const deviceId = `${kind === 'climate-sensor' ? 'sens' : 'meter'}-${String(index + 1).padStart(5, '0')}`;
    return { deviceId, kind, merchant: random.pick(market.merchants), firmware: random.pick(FIRMWARES) };
  });
  return [...terminals, ...sensors];
}

function canBreak({ kind }: DevicePlace): boolean {
  return kind === 'climate-sensor' || kind === 'power-meter';
}

function scenarioOf(trouble: Trouble | undefined): Scenario | undefined {
  if (trouble === undefined) return undefined;
  return trouble.kind === 'tampered' ? 'compromised_terminal' : 'broken_sensor';
}

/** Two to four metrics, by kind. */
function measure(
  device: DevicePlace,
  state: DeviceState,
  timeMs: number,
  intervalMs: number,
): WireTelemetry['metrics'] {
  const { random, openness, trouble } = state;
  const { hour } = localTime(timeMs, device.merchant.city);
  const busy = hour >= 8 && hour < 20 ? 1 : 0.3;
  switch (device.kind) {
    case 'terminal':
    case 'atm':
      return {
        temperature_c: round(24 + 6 * busy + random.normal(0, 0.4), 1),
        battery_pct: round(70 + 30 * openness - 5 * random.uniform(), 0),
        signal_dbm: round(-60 - 20 * openness + random.normal(0, 2), 0),
        tamper: trouble?.kind === 'tampered',
      };
    case 'climate-sensor':
      return {
        temperature_c: round(faulty(FRIDGE_C + random.normal(0, 0.25), trouble, timeMs, random), 2),
        humidity_pct: round(60 + 10 * openness + random.normal(0, 1.5), 1),
      };
    case 'power-meter': {
      const powerW = Math.max(
        0,
        faulty((800 + 2_400 * openness) * busy + random.normal(0, 60), trouble, timeMs, random),
      );
      state.energyKwh += (powerW / 1_000) * (intervalMs / 3_600_000);
      return {
        power_w: round(powerW, 0),
        voltage_v: round(230 + random.normal(0, 1.2), 1),
        energy_kwh: round(state.energyKwh, 3),
      };
    }
  }
}

/** What a sensor shows of the true value while it is broken. */
function faulty(value: number, trouble: Trouble | undefined, timeMs: number, random: Random): number {
  if (trouble?.kind !== 'broken') return value;
  if (trouble.way === 'stuck') return 0;
  if (trouble.way === 'spiking') return random.chance(0.4) ? value * 12 + 60 : value;
  return value * (1 + (timeMs - trouble.sinceMs) / 60_000);
}

function round(value: number, decimals: number): number {
  const factor = 10 ** decimals;
  // Adding 0 turns -0, which JSON writes as 0, into 0.
  return Math.round(value * factor) / factor + 0;
}
