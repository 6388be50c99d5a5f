/** What the generator is asked to do: one target, one form of load, one measured window. */
export interface LoadTask {
  /** `http`: a payment per request. `ndjson`: `eventsPerRequest` lines per request. `mqtt`: a reading per PUBLISH, QoS 1. */
  readonly kind: 'http' | 'ndjson' | 'mqtt';
  /** On 127.0.0.1. */
  readonly port: number;
  readonly connections: number;
  /** 1 for `http` and `mqtt`. */
  readonly eventsPerRequest: number;
  /** MQTT messages of one connection that wait for their PUBACK; requests of one connection are never more than one. */
  readonly window: number;
  /** Events per second in an open model. `undefined`: the next is sent when one is acknowledged (a closed model). */
  readonly eventsPerSecond?: number | undefined;
  /** Not measured. */
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Events are numbered from here on; the number is a part of their id. */
  readonly firstNumber: number;
  /** Begins every id, so that runs on one topic never meet. */
  readonly runId: string;
}

export interface LoadResult {
  /** Acknowledged in the measured window. */
  readonly events: number;
  readonly seconds: number;
  /** Answered with anything but 202, ever. */
  readonly refused: number;
  /** From sending (closed model) or from the time at which it was due (open model) to the acknowledgement. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Of the generator in the measured window. */
  readonly cpuUs: number;
  /** Bit `n % 8` of byte `n / 8` says whether event `firstNumber + n` was ever acknowledged. */
  readonly acknowledged: Uint8Array;
  /** One past the last number that was used. */
  readonly endNumber: number;
}

export type FromGenerator =
  | { readonly type: 'ready' }
  /** The measured window begins, and ends. */
  | { readonly type: 'begin' | 'end' }
  | { readonly type: 'result'; readonly result: LoadResult }
  | { readonly type: 'failed'; readonly reason: string };

/** Digits of an event's number in its id, so that pre-serialised bytes keep their length. */
export const NUMBER_DIGITS = 9;
