export * from './world/events.ts';
export { type FaultRates, NO_FAULTS, USUAL_FAULTS } from './world/faults.ts';
export { createWorld, type World, type WorldOptions } from './world/world.ts';
