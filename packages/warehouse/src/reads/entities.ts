import type { KnownMerchant, Profile } from '@millrace/contracts';
import { type Connection, millis, present, read } from './connection.ts';

/** What the payments say of a merchant. Times in epoch milliseconds. */
export interface MerchantSummary {
  readonly merchant_id: string;
  /** As the enricher knew it at the newest payment. */
  readonly merchant: KnownMerchant;
  readonly payments: number;
  readonly customers: number;
  readonly first_payment_at: number;
  readonly last_payment_at: number;
  /** Terminals seen in payments, the one used last first; at most `TERMINALS_MAX`. */
  readonly terminals: readonly {
    readonly terminal_id: string;
    readonly payments: number;
    readonly last_payment_at: number;
  }[];
}

export interface DeviceMetric {
  readonly metric: string;
  readonly value: number;
  readonly event_time: number;
}

export interface DeviceReading {
  readonly event_time: number;
  readonly sequence?: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly ingested_at: number;
}

export interface DeviceSummary {
  readonly device_id: string;
  readonly owner_id: string;
  readonly kind?: string;
  readonly firmware?: string;
  readonly latitude?: number;
  readonly longitude?: number;
  readonly last_reading_at: number;
  /** The newest value of every metric, by event time. */
  readonly metrics: readonly DeviceMetric[];
  /** The newest first. */
  readonly readings: readonly DeviceReading[];
}

export const TERMINALS_MAX = 50;

/** The newest version of a customer's profile, unless it was deleted. */
export async function findProfile(connection: Connection, customerId: string): Promise<Profile | undefined> {
  const sql = `SELECT customer_id, ${millis('updated_at')}, fields,
      mapApply((name, time) -> (name, toUnixTimestamp64Milli(time)), sources) AS sources, deleted
    FROM profiles WHERE customer_id = {customer_id:String} ORDER BY customer_id, _offset DESC LIMIT 1`;
  const [row] = await read<Omit<Profile, 'fields'> & { fields: string; deleted: boolean }>(connection, sql, {
    customer_id: customerId,
  });
  if (row === undefined || row.deleted) return undefined;
  const { deleted: _, fields, ...profile } = row;
  return { ...profile, fields: fields === '' ? {} : JSON.parse(fields) };
}

export async function findMerchant(connection: Connection, merchantId: string): Promise<MerchantSummary | undefined> {
  const params = { merchant_id: merchantId };
  const summary = `SELECT count() AS payments, uniqExact(customer_id) AS customers, argMax(merchant, event_time) AS merchant,
      toUnixTimestamp64Milli(min(event_time)) AS first_payment_at, toUnixTimestamp64Milli(max(event_time)) AS last_payment_at
    FROM payments WHERE merchant_id = {merchant_id:String}`;
  const [row] = await read<Omit<MerchantSummary, 'merchant_id' | 'terminals'>>(connection, summary, params);
  if (row === undefined || row.payments === 0) return undefined;
  const terminals = `SELECT terminal_id, count() AS payments, toUnixTimestamp64Milli(max(event_time)) AS last_payment_at
    FROM payments WHERE merchant_id = {merchant_id:String} AND terminal_id != ''
    GROUP BY terminal_id ORDER BY last_payment_at DESC, terminal_id LIMIT ${TERMINALS_MAX}`;
  return {
    merchant_id: merchantId,
    ...row,
    merchant: present(row.merchant),
    terminals: await read(connection, terminals, params),
  };
}

/** What is known of a device by its telemetry, with its newest `readingsMax` readings. */
export async function findDevice(
  connection: Connection,
  deviceId: string,
  readingsMax: number,
): Promise<DeviceSummary | undefined> {
  const params = { device_id: deviceId, readings_max: readingsMax };
  const metrics = await read<DeviceMetric & Omit<DeviceSummary, 'device_id' | 'metrics' | 'readings'>>(
    connection,
    `SELECT metric, argMax(value, event_time) AS value, toUnixTimestamp64Milli(max(event_time)) AS event_time,
       argMax(owner_id, event_time) AS owner_id, argMax(kind, event_time) AS kind, argMax(firmware, event_time) AS firmware,
       argMax(latitude, event_time) AS latitude, argMax(longitude, event_time) AS longitude
     FROM telemetry WHERE device_id = {device_id:String} GROUP BY metric ORDER BY metric`,
    params,
  );
  if (metrics.length === 0) return undefined;
  const newest = metrics.reduce((one, other) => (other.event_time > one.event_time ? other : one));
  const { metric: _, value: __, event_time: lastReadingAtMs, ...device } = newest;
  const readings = await read<Omit<DeviceReading, 'metrics'> & { names: string[]; values: number[] }>(
    connection,
    `SELECT ${millis('event_time')}, sequence, groupArray(metric) AS names, groupArray(value) AS values,
       toUnixTimestamp64Milli(max(ingested_at)) AS ingested_at
     FROM telemetry WHERE device_id = {device_id:String}
     GROUP BY event_time, sequence ORDER BY event_time DESC, sequence DESC LIMIT {readings_max:UInt32}`,
    params,
  );
  return {
    device_id: deviceId,
    last_reading_at: lastReadingAtMs,
    ...(present(device) as Pick<DeviceSummary, 'owner_id'>),
    metrics: metrics.map(({ metric, value, event_time }) => ({ metric, value, event_time })),
    readings: readings.map(({ names, values, ...reading }) => ({
      ...(present(reading) as Omit<DeviceReading, 'metrics'>),
      metrics: Object.fromEntries(names.map((name, index) => [name, values[index] ?? 0])),
    })),
  };
}
