export { type DrillPlace, runDrill, SEED_MAX, startClock, wholeNumber } from './command.ts';
export { type CommittedRecords, readCommitted } from './committed-records.ts';
export { eventually, isNotYet } from './eventually.ts';
export {
  freePortBase,
  type Place,
  type Platform,
  PORTS,
  RESET,
  SERVICES,
  type Service,
  START,
  startFlags,
  startPlatform,
} from './platform.ts';
export { type GroupProcess, type ProcessGroup, startGroup } from './process-group.ts';
export {
  type Answer,
  ask,
  countOf,
  decided,
  get,
  type Json,
  load,
  metric,
  pay,
  post,
  select,
  type Tables,
} from './requests.ts';
export { residentMib } from './resident.ts';
export { randomOf, seededRandom, shuffled } from './seed.ts';
