import { SimulatorError } from '../errors.ts';
import type { DeviceFleet } from '../send/device-fleet.ts';
import type { Progress } from './progress.ts';

/** Devices that cannot connect at all within this time have no listener. */
const CONNECT_MS_MAX = 20_000;
const PROGRESS_MS = 200;

/**
 * Connects all devices of a fleet, and shows how far it is.
 * @throws {SimulatorError} `not-running` when not one of them can connect.
 */
export async function connectFleet(
  fleet: DeviceFleet,
  options: {
    readonly devices: number;
    readonly url: string;
    readonly signal: AbortSignal;
    readonly progress: Progress;
  },
): Promise<void> {
  const { devices, url, signal, progress } = options;
  const startMs = performance.now();
  const giveUp = new AbortController();
  const timer = setInterval(() => {
    const { connected } = fleet;
    progress.show(connected / devices, `connecting devices: ${connected} of ${devices}`);
    if (connected === 0 && performance.now() - startMs > CONNECT_MS_MAX) giveUp.abort();
  }, PROGRESS_MS);
  try {
    await fleet.connect(AbortSignal.any([signal, giveUp.signal]));
  } finally {
    clearInterval(timer);
  }
  if (!giveUp.signal.aborted) return;
  const message = `No device can connect to ${url}. Start the stack (npm start), or say by --mqtt where it is.`;
  throw new SimulatorError('not-running', message);
}
