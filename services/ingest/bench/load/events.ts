import { createWorld, NO_FAULTS } from '@millrace/simulator';
import { NUMBER_DIGITS } from './task.ts';

/** JSON of an event, in which a number of `NUMBER_DIGITS` digits is written over the zeros at `numberAt`. */
export interface EventTemplate {
  readonly json: Buffer;
  readonly numberAt: number;
}

export interface EventTemplates {
  readonly payments: readonly EventTemplate[];
  /** One for each device, its id apart for the topic. */
  readonly readings: readonly (EventTemplate & { readonly deviceId: string })[];
}

const SEED = 7;
const PAYMENTS = 2_000;
const WORLD_MS_MAX = 60_000;

/** What the simulator's world sends, with ids that can be written in place: `<run>-000000000`, and the sequence. */
export function createTemplates(runId: string, devices: number): EventTemplates {
  const startMs = Date.now() - WORLD_MS_MAX;
  const world = createWorld({
    ...{ seed: SEED, startMs, runId, faults: NO_FAULTS },
    ...{ paymentsPerSecond: PAYMENTS, shoppers: 5_000, merchants: 500, devices, customersPerSecond: 1 },
  });
  const payments: EventTemplate[] = [];
  const readings = new Map<string, EventTemplate & { readonly deviceId: string }>();
  for (const { kind, event } of withEvents(world.events(startMs + WORLD_MS_MAX))) {
    if (payments.length >= PAYMENTS && readings.size >= devices) break;
    if (kind === 'payment' && payments.length < PAYMENTS) payments.push(paymentTemplate(event, runId));
    if (kind === 'telemetry' && !readings.has(event.device_id)) {
      readings.set(event.device_id, { ...readingTemplate(event), deviceId: event.device_id });
    }
  }
  if (payments.length < PAYMENTS || readings.size < devices) throw new Error('the world is too quiet for this load');
  return { payments, readings: [...readings.values()] };
}

/** Writes the number's digits, with zeros in front. */
export function writeNumber(bytes: Buffer, at: number, number: number): void {
  let rest = number;
  for (let index = at + NUMBER_DIGITS - 1; index >= at; index -= 1) {
    const next = Math.floor(rest / 10);
    bytes[index] = 48 + rest - next * 10;
    rest = next;
  }
}

const ZEROS = '0'.repeat(NUMBER_DIGITS);

function paymentTemplate(event: object, runId: string): EventTemplate {
  const json = Buffer.from(JSON.stringify({ ...event, transaction_id: `${runId}-${ZEROS}` }));
  return { json, numberAt: json.indexOf(`"${runId}-${ZEROS}"`) + `"${runId}-`.length };
}

/** A one goes first, because a JSON number must not begin with zeros. */
function readingTemplate(event: object): EventTemplate {
  const json = Buffer.from(JSON.stringify({ ...event, sequence: Number(`1${ZEROS}`) }));
  return { json, numberAt: json.indexOf(`"sequence":1${ZEROS}`) + '"sequence":1'.length };
}

type Told = { kind: 'payment'; event: object } | { kind: 'telemetry'; event: { device_id: string } };

function* withEvents(events: Iterable<object>): Generator<Told> {
  for (const event of events) if ('event' in event) yield event as Told;
}
