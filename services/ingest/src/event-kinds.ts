import {
  AGE_MAX_MS,
  CUSTOMER_SOURCES,
  type CustomerSource,
  type Device,
  type Label,
  type Merchant,
  PAYMENT_BATCH_MAX,
  type Payment,
  parseCustomerSource,
  parseDevice,
  parseLabel,
  parseMerchant,
  parsePayment,
  parseTelemetry,
  TELEMETRY_BATCH_MAX,
  type Telemetry,
  type TopicContract,
  type Topics,
  telemetryId,
  WireError,
  type WireOptions,
  wireSchemas,
} from '@millrace/contracts';

export const EVENT_KINDS = ['payments', 'telemetry', 'labels', 'customers', 'merchants', 'devices'] as const;
export type EventKindName = (typeof EVENT_KINDS)[number];

/** What an API key may be allowed to do. */
export const SCOPES = [
  'payments:write',
  'telemetry:write',
  'labels:write',
  'reference:write',
  'redrive:write',
] as const;
export type Scope = (typeof SCOPES)[number];

/** Everything that ingest needs to know about one kind of event. */
export interface EventKind<T = unknown> {
  readonly name: EventKindName;
  readonly scope: Scope;
  /** From the wire to what goes into Kafka. Throws `WireError` with every fault of the event. */
  parse(input: unknown, options: WireOptions): T;
  contractOf(event: T): TopicContract<T>;
  /** How an answer names an event: `{ transaction_id: ... }`. */
  readonly idField: string;
  idOf(event: T): string;
  /** The largest array in one request. */
  readonly arrayMax: number;
  /** Age limit outside the batch route. */
  readonly ageMsMax: number;
  /** JSON Schema of one event on the wire. */
  readonly wireSchema: object;
}

export type EventKinds = Readonly<Record<EventKindName, EventKind>>;

/** The one table of kinds, on the topics that it is given. */
export function createEventKinds(topics: Topics): EventKinds {
  const payments: EventKind<Payment> = {
    name: 'payments',
    scope: 'payments:write',
    parse: parsePayment,
    contractOf: () => topics.paymentsRaw,
    idField: 'transaction_id',
    idOf: (payment) => payment.transaction_id,
    arrayMax: PAYMENT_BATCH_MAX,
    ageMsMax: AGE_MAX_MS,
    wireSchema: wireSchemas.payment,
  };
  const telemetry: EventKind<Telemetry> = {
    name: 'telemetry',
    scope: 'telemetry:write',
    parse: parseTelemetry,
    contractOf: () => topics.telemetryRaw,
    idField: 'reading_id',
    idOf: telemetryId,
    arrayMax: TELEMETRY_BATCH_MAX,
    ageMsMax: AGE_MAX_MS,
    wireSchema: wireSchemas.telemetry,
  };
  const labels: EventKind<Label> = {
    name: 'labels',
    scope: 'labels:write',
    parse: parseLabel,
    contractOf: () => topics.fraudLabels,
    idField: 'transaction_id',
    idOf: (label) => label.transaction_id,
    arrayMax: PAYMENT_BATCH_MAX,
    ageMsMax: AGE_MAX_MS,
    wireSchema: wireSchemas.label,
  };
  const customers: EventKind<CustomerSource> = {
    ...REFERENCE,
    name: 'customers',
    parse: parseKnownSource,
    contractOf: ({ source }) => topics.customersSource[source as keyof Topics['customersSource']],
    idField: 'customer_id',
    idOf: (customer) => customer.customer_id,
    wireSchema: wireSchemas.customerSource,
  };
  const merchants: EventKind<Merchant> = {
    ...REFERENCE,
    name: 'merchants',
    parse: parseMerchant,
    contractOf: () => topics.merchants,
    idField: 'merchant_id',
    idOf: (merchant) => merchant.merchant_id,
    wireSchema: wireSchemas.merchant,
  };
  const devices: EventKind<Device> = {
    ...REFERENCE,
    name: 'devices',
    parse: parseDevice,
    contractOf: () => topics.devices,
    idField: 'device_id',
    idOf: (device) => device.device_id,
    wireSchema: wireSchemas.device,
  };
  return { payments, telemetry, labels, customers, merchants, devices };
}

/** Reference data is valid from `updated_at` on, however long ago that was. */
const REFERENCE = {
  scope: 'reference:write',
  arrayMax: PAYMENT_BATCH_MAX,
  ageMsMax: Number.POSITIVE_INFINITY,
} as const;

/** Each source has its own topic, so a source without one cannot be taken. */
function parseKnownSource(input: unknown, options: WireOptions): CustomerSource {
  const record = parseCustomerSource(input, options);
  if (CUSTOMER_SOURCES.some((source) => source === record.source)) return record;
  const message = `Unknown customer source. Use one of ${CUSTOMER_SOURCES.join(', ')}.`;
  throw new WireError('customer source', [{ field: 'source', code: 'unknown-value', message }]);
}
