import {
  countDeadLetters,
  countHopRows,
  countRepeats,
  findDecision,
  findDevice,
  findHops,
  findMerchant,
  findPayment,
  findProfile,
  listAlerts,
  listDeadLetters,
  listDecisions,
  listPayments,
  readDeadLetters,
  readHopHeads,
  readHops,
  readNewestMs,
  readStatistics,
  reconcileSender,
  type Warehouse,
} from '@millrace/warehouse';
import type { ReconciliationReads } from './reconciliation/kind-reconciler.ts';

/** The questions that routes ask, so that a test can answer them. */
export type Reads = ReturnType<typeof warehouseReads>;

export function warehouseReads(warehouse: Pick<Warehouse, 'query'>) {
  return {
    findPayment: findPayment.bind(undefined, warehouse),
    listPayments: listPayments.bind(undefined, warehouse),
    findDecision: findDecision.bind(undefined, warehouse),
    listDecisions: listDecisions.bind(undefined, warehouse),
    listAlerts: listAlerts.bind(undefined, warehouse),
    findProfile: findProfile.bind(undefined, warehouse),
    findMerchant: findMerchant.bind(undefined, warehouse),
    findDevice: findDevice.bind(undefined, warehouse),
    listDeadLetters: listDeadLetters.bind(undefined, warehouse),
    countDeadLetters: countDeadLetters.bind(undefined, warehouse),
    readDeadLetters: readDeadLetters.bind(undefined, warehouse),
    readStatistics: readStatistics.bind(undefined, warehouse),
    reconcileSender: reconcileSender.bind(undefined, warehouse),
  };
}

export function reconciliationReads(warehouse: Pick<Warehouse, 'query'>): ReconciliationReads {
  return {
    heads: readHopHeads.bind(undefined, warehouse),
    hops: readHops.bind(undefined, warehouse),
    newestMs: readNewestMs.bind(undefined, warehouse),
    find: findHops.bind(undefined, warehouse),
    countRows: countHopRows.bind(undefined, warehouse),
    countRepeats: countRepeats.bind(undefined, warehouse),
  };
}
