/** The tables of `migrations/`, in the order in which a record passes them. */
export const TABLES = [
  'payments_raw',
  'telemetry_raw',
  'payments',
  'telemetry',
  'decisions',
  'alerts',
  'profiles',
  'labels',
  'dead_letters',
  'redrives',
  'ledger',
] as const;
export type TableName = (typeof TABLES)[number];

/** Tables that are filled from a topic, and so have `_topic`, `_partition` and `_offset`. */
export type RecordTableName = Exclude<TableName, 'ledger'>;

/** Only an insert that names its columns may fill an ephemeral one (`reading`, of which the table keeps the hash). */
export const INSERT_COLUMNS: Readonly<Partial<Record<TableName, readonly string[]>>> = {
  telemetry_raw: ['reading', 'ingested_at', '_topic', '_partition', '_offset'],
};
