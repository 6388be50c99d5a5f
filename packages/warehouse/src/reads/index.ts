export { type Page, type PagePosition, READ_MS_MAX, type TimeRange } from './connection.ts';
export {
  countDeadLetters,
  type DeadLetterFilter,
  type LetterFailure,
  type LetterPage,
  type LetterPosition,
  type LetterRedrive,
  listDeadLetters,
  readDeadLetters,
  type StoredLetter,
} from './dead-letters.ts';
export {
  type DeviceMetric,
  type DeviceReading,
  type DeviceSummary,
  findDevice,
  findMerchant,
  findProfile,
  type MerchantSummary,
} from './entities.ts';
export {
  type AlertFilter,
  type DecisionFilter,
  findDecision,
  findPayment,
  listAlerts,
  listDecisions,
  listPayments,
  type PaymentFilter,
  type StoredPayment,
} from './events.ts';
export { HOP, HOP_SOURCES, type HopSource, type ReconciledKind, STORED_HOPS } from './hop-sources.ts';
export {
  countHopRows,
  countRepeats,
  FIND_HASHES_MAX,
  findHops,
  type HopHead,
  type HopRange,
  type HopSighting,
  type HopTable,
  LEDGER_VISIBLE_MS,
  readHopHeads,
  readHops,
  readNewestMs,
} from './reconciliation.ts';
export { type HopCounts, reconcileSender } from './sender.ts';
export {
  LATENCY_WINDOW_MS,
  type Quantiles,
  readStatistics,
  type Statistics,
  type StatisticsStep,
} from './statistics.ts';
