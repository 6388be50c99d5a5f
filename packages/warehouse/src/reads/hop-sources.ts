import type { TableName } from '../tables.ts';

export type ReconciledKind = 'payments' | 'telemetry';

/** Where an event has been seen, as bits. */
export const HOP = { raw: 1, enriched: 2, decided: 4, ledger: 8, deadLettered: 16 } as const;

export interface HopSource {
  readonly table: TableName;
  readonly hop: (typeof HOP)[keyof typeof HOP];
  /** The 64-bit hash of the event's id, the same in all tables. */
  readonly hash: string;
  /** When the event was accepted. */
  readonly time: string;
  /** Which rows are events of this kind; all when it is left out. */
  readonly only?: string;
  /** What tells the rows of one event apart; one row per event when it is left out. */
  readonly part?: string;
}

const TRANSACTION = 'cityHash64(transaction_id)';
const BYTES = `base64Decode(ifNull(value_base64, ''))`;

/**
 * The tables that show an event of each kind, in the order in which it reaches them.
 *
 * A dead letter is an accepted event when it came from Kafka and its bytes name it. One that names no event is not in
 * the raw tables either.
 */
export const HOP_SOURCES: Readonly<Record<ReconciledKind, readonly HopSource[]>> = {
  payments: [
    { table: 'ledger', hop: HOP.ledger, hash: 'id_hash', time: 'acknowledged_at', only: `kind = 'payment'` },
    { table: 'payments_raw', hop: HOP.raw, hash: TRANSACTION, time: 'ingested_at' },
    { table: 'payments', hop: HOP.enriched, hash: TRANSACTION, time: 'ingested_at' },
    { table: 'decisions', hop: HOP.decided, hash: TRANSACTION, time: 'ingested_at' },
    {
      table: 'dead_letters',
      hop: HOP.deadLettered,
      hash: `cityHash64(JSONExtractString(${BYTES}, 'transaction_id'))`,
      time: 'ingested_at',
      only: `origin.kind = 'kafka' AND JSONHas(${BYTES}, 'transaction_id')`,
    },
  ],
  telemetry: [
    { table: 'ledger', hop: HOP.ledger, hash: 'id_hash', time: 'acknowledged_at', only: `kind = 'telemetry'` },
    { table: 'telemetry_raw', hop: HOP.raw, hash: 'reading_id', time: 'ingested_at' },
    { table: 'telemetry', hop: HOP.enriched, hash: 'reading_id', time: 'ingested_at', part: 'toString(metric)' },
    {
      table: 'dead_letters',
      hop: HOP.deadLettered,
      hash: `cityHash64(concat(JSONExtractString(${BYTES}, 'device_id'), ':', toString(JSONExtractUInt(${BYTES}, 'event_time')), ':',
        if(JSONHas(${BYTES}, 'sequence'), toString(JSONExtractUInt(${BYTES}, 'sequence')), '')))`,
      time: 'ingested_at',
      only: `origin.kind = 'kafka' AND JSONHas(${BYTES}, 'metrics')`,
    },
  ],
};

/** A reading has no decision of its own: it is decided and stored when it is enriched and stored. */
export const STORED_HOPS: Readonly<Record<ReconciledKind, number>> = {
  payments: HOP.enriched | HOP.decided,
  telemetry: HOP.enriched,
};
