export { SimulatorError, type SimulatorErrorCode } from './errors.ts';
export { type HopCounts, type SettledCounts, type SettleOptions, untilSettled } from './reconciliation.ts';
export { openRun, type Run, type RunOptions } from './run.ts';
export type { Session } from './session.ts';
export * from './world/events.ts';
export { type FaultRates, NO_FAULTS, USUAL_FAULTS } from './world/faults.ts';
export { createWorld, type World, type WorldOptions } from './world/world.ts';
