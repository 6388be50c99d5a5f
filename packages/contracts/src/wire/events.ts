import { LABEL_SOURCES, type Label } from '../label.ts';
import { CHANNELS, PAYMENT_STATUSES, type Payment } from '../payment.ts';
import type { CustomerSource, Device, Merchant } from '../reference.ts';
import type { Telemetry } from '../telemetry.ts';
import { attributes, type KnownFields, metrics, sourceFields } from './maps.ts';
import { finishReading, type Reading, refuse, required, startReading, type WireOptions } from './reading.ts';
import { wireSchemas } from './schemas.ts';
import * as read from './values.ts';

/**
 * Wire form to internal form, one function per event. Each reports all faults of the event together.
 *
 * The objects are built with their keys in the order of the schema, so that the same event gives the same bytes.
 */

const channel = read.oneOf(CHANNELS);
const status = read.oneOf(PAYMENT_STATUSES);
const labelSource = read.oneOf(LABEL_SOURCES);

const known = (schema: { properties: object }, internal?: Record<string, string>): KnownFields => ({
  names: new Set(Object.keys(schema.properties)),
  ...(internal === undefined ? {} : { internal }),
});
const paymentFields = known(wireSchemas.payment, { amount_minor: 'amount, as a decimal' });
const telemetryFields = known(wireSchemas.telemetry);
const labelFields = known(wireSchemas.label);
const customerSourceFields = known(wireSchemas.customerSource);
const merchantFields = known(wireSchemas.merchant);
const deviceFields = known(wireSchemas.device);

/** @throws {WireError} with every problem of the event. */
export function parsePayment(input: unknown, options: WireOptions): Payment {
  const reading = startReading('payment', input, options);
  const from = reading.input;
  const payment = {
    transaction_id: required(reading, 'transaction_id', read.transactionId),
    event_time: required(reading, 'event_time', read.eventTime),
    customer_id: required(reading, 'customer_id', read.id),
  } as Payment;
  if (from.card_id !== undefined) payment.card_id = read.cardId(reading, 'card_id', from.card_id);
  if (from.account_id !== undefined) payment.account_id = read.id(reading, 'account_id', from.account_id);
  if (from.merchant_id !== undefined) payment.merchant_id = read.id(reading, 'merchant_id', from.merchant_id);
  if (from.payee_id !== undefined) payment.payee_id = read.id(reading, 'payee_id', from.payee_id);
  if (from.terminal_id !== undefined) payment.terminal_id = read.id(reading, 'terminal_id', from.terminal_id);
  if (from.mcc !== undefined) payment.mcc = read.mcc(reading, 'mcc', from.mcc);
  const { amount_minor, currency } = read.money(reading);
  payment.amount_minor = amount_minor;
  payment.currency = currency;
  if (from.country !== undefined) payment.country = read.country(reading, 'country', from.country);
  payment.channel = required(reading, 'channel', channel);
  if (from.status !== undefined) payment.status = status(reading, 'status', from.status);
  readPlace(reading, payment);
  if (from.ip !== undefined) payment.ip = read.ip(reading, 'ip', from.ip);
  if (from.device_id !== undefined) payment.device_id = read.id(reading, 'device_id', from.device_id);
  readAttributes(reading, paymentFields, payment);
  checkCounterparty(reading);
  return finishReading(reading, payment);
}

/** One reading of a device. @throws {WireError} with every problem of the event. */
export function parseTelemetry(input: unknown, options: WireOptions): Telemetry {
  const reading = startReading('reading', input, options);
  const from = reading.input;
  const telemetry = {
    device_id: required(reading, 'device_id', read.id),
    event_time: required(reading, 'event_time', read.eventTime),
  } as Telemetry;
  if (from.sequence !== undefined) telemetry.sequence = read.sequence(reading, 'sequence', from.sequence);
  telemetry.metrics = required(reading, 'metrics', metrics);
  readPlace(reading, telemetry);
  if (from.firmware !== undefined) telemetry.firmware = read.text(reading, 'firmware', from.firmware);
  readAttributes(reading, telemetryFields, telemetry);
  return finishReading(reading, telemetry);
}

/** @throws {WireError} with every problem of the event. */
export function parseLabel(input: unknown, options: WireOptions): Label {
  const reading = startReading('label', input, options);
  const from = reading.input;
  const label: Label = {
    transaction_id: required(reading, 'transaction_id', read.transactionId),
    customer_id: required(reading, 'customer_id', read.id),
    fraud: required(reading, 'fraud', read.boolean),
    labelled_at: required(reading, 'labelled_at', read.eventTime),
    source: required(reading, 'source', labelSource),
  };
  if (from.reason !== undefined) label.reason = read.text(reading, 'reason', from.reason);
  // A chargeback comes months after its payment, so only the label itself has to be young.
  if (from.payment_time !== undefined) label.payment_time = read.pastTime(reading, 'payment_time', from.payment_time);
  if (from.card_id !== undefined) label.card_id = read.cardId(reading, 'card_id', from.card_id);
  if (from.merchant_id !== undefined) label.merchant_id = read.id(reading, 'merchant_id', from.merchant_id);
  if (from.terminal_id !== undefined) label.terminal_id = read.id(reading, 'terminal_id', from.terminal_id);
  readAttributes(reading, labelFields, label);
  return finishReading(reading, label);
}

/** Reference data may be of any age. @throws {WireError} with every problem of the event. */
export function parseCustomerSource(input: unknown, options: WireOptions): CustomerSource {
  const reading = startReading('customer source', input, options);
  return finishReading(reading, {
    customer_id: required(reading, 'customer_id', read.id),
    source: required(reading, 'source', read.name),
    updated_at: required(reading, 'updated_at', read.pastTime),
    fields: sourceFields(reading, customerSourceFields),
  });
}

/** @throws {WireError} with every problem of the event. */
export function parseMerchant(input: unknown, options: WireOptions): Merchant {
  const reading = startReading('merchant', input, options);
  const from = reading.input;
  const merchant: Merchant = {
    merchant_id: required(reading, 'merchant_id', read.id),
    updated_at: required(reading, 'updated_at', read.pastTime),
  };
  if (from.name !== undefined) merchant.name = read.text(reading, 'name', from.name);
  if (from.mcc !== undefined) merchant.mcc = read.mcc(reading, 'mcc', from.mcc);
  if (from.country !== undefined) merchant.country = read.country(reading, 'country', from.country);
  readPlace(reading, merchant);
  readAttributes(reading, merchantFields, merchant);
  return finishReading(reading, merchant);
}

/** @throws {WireError} with every problem of the event. */
export function parseDevice(input: unknown, options: WireOptions): Device {
  const reading = startReading('device', input, options);
  const from = reading.input;
  const device: Device = {
    device_id: required(reading, 'device_id', read.id),
    updated_at: required(reading, 'updated_at', read.pastTime),
  };
  if (from.merchant_id !== undefined) device.merchant_id = read.id(reading, 'merchant_id', from.merchant_id);
  if (from.customer_id !== undefined) device.customer_id = read.id(reading, 'customer_id', from.customer_id);
  if (from.kind !== undefined) device.kind = read.name(reading, 'kind', from.kind);
  if (from.country !== undefined) device.country = read.country(reading, 'country', from.country);
  readPlace(reading, device);
  if (from.firmware !== undefined) device.firmware = read.text(reading, 'firmware', from.firmware);
  readAttributes(reading, deviceFields, device);
  return finishReading(reading, device);
}

/** Half a place is none. */
function readPlace(reading: Reading, into: { latitude?: number; longitude?: number }): void {
  const { latitude, longitude } = reading.input;
  if (latitude !== undefined) into.latitude = read.latitude(reading, 'latitude', latitude);
  if (longitude !== undefined) into.longitude = read.longitude(reading, 'longitude', longitude);
  if ((latitude === undefined) === (longitude === undefined)) return;
  const missing = latitude === undefined ? 'latitude' : 'longitude';
  refuse(reading, missing, 'required', 'is missing; a place has a latitude and a longitude, send both or neither');
}

function readAttributes(reading: Reading, fields: KnownFields, into: { attributes?: Payment['attributes'] }): void {
  const kept = attributes(reading, fields);
  if (kept !== undefined) into.attributes = kept;
}

/** The merchant stage is keyed by who is paid, so there is exactly one. */
function checkCounterparty(reading: Reading): void {
  const isTransfer = reading.input.channel === 'transfer';
  const [wanted, other] = isTransfer ? ['payee_id', 'merchant_id'] : ['merchant_id', 'payee_id'];
  if (wanted === undefined || other === undefined) return;
  const what = isTransfer ? 'a transfer' : 'a payment that is not a transfer';
  if (reading.input[wanted] === undefined)
    refuse(reading, wanted, 'required', `is missing; ${what} names its ${wanted}`);
  if (reading.input[other] !== undefined) {
    refuse(reading, other, 'conflict', `does not belong to ${what}; send ${wanted} only, or change the channel`);
  }
}
