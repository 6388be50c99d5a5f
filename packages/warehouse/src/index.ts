export {
  createWarehouse,
  INSERT_ROWS_MAX,
  type InsertOptions,
  type QueryOptions,
  type Warehouse,
  type WarehouseLogger,
  type WarehouseOptions,
} from './client.ts';
export { WarehouseError, type WarehouseErrorCode } from './errors.ts';
export type { AppliedMigration } from './migrations.ts';
export { highestOffsets, type OffsetRange, storedOffsets } from './offsets.ts';
export * from './reads/index.ts';
export { type RecordTableName, TABLES, type TableName } from './tables.ts';
