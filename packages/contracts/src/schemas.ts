import { Alert, Decision } from './decision.ts';
import { Label } from './label.ts';
import { BatchProgress, DeadLetter, FraudCase, Redrive } from './operations.ts';
import { EnrichedPayment, Payment, PaymentFeatures } from './payment.ts';
import { CustomerSource, Device, Merchant, Profile } from './reference.ts';
import { Rule } from './rule.ts';
import { EnrichedTelemetry, Telemetry } from './telemetry.ts';
import { wireSchemas } from './wire/schemas.ts';

/** Every schema of a record in Kafka, by the name that the record header `schema` has. */
export const schemas = {
  'payment.v1': Payment,
  'telemetry.v1': Telemetry,
  'label.v1': Label,
  'customer-source.v1': CustomerSource,
  'merchant.v1': Merchant,
  'device.v1': Device,
  'profile.v1': Profile,
  'enriched-payment.v1': EnrichedPayment,
  'enriched-telemetry.v1': EnrichedTelemetry,
  'payment-features.v1': PaymentFeatures,
  'decision.v1': Decision,
  'alert.v1': Alert,
  'rule.v1': Rule,
  'case.v1': FraudCase,
  'dead-letter.v1': DeadLetter,
  'redrive.v1': Redrive,
  'batch-progress.v1': BatchProgress,
} as const;
export type SchemaName = keyof typeof schemas;

/** The schemas of what comes from outside, by name: the event's name with `.wire` before the version. */
const wire = {
  'payment.wire.v1': wireSchemas.payment,
  'telemetry.wire.v1': wireSchemas.telemetry,
  'label.wire.v1': wireSchemas.label,
  'customer-source.wire.v1': wireSchemas.customerSource,
  'merchant.wire.v1': wireSchemas.merchant,
  'device.wire.v1': wireSchemas.device,
} as const;
export type PublishedSchemaName = SchemaName | keyof typeof wire;

/** A JSON Schema as a document to publish. */
export interface JsonSchema {
  readonly $schema: string;
  readonly $id: string;
  readonly title: string;
  readonly [keyword: string]: unknown;
}

/** All published schemas by name and version: plain JSON Schema, draft 2020-12, each complete in itself. */
export function jsonSchemas(): Record<PublishedSchemaName, JsonSchema> {
  const published = Object.entries({ ...schemas, ...wire }).map(([name, schema]) => [
    name,
    {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: `urn:millrace:${name}`,
      title: name,
      // Through JSON, which leaves TypeBox's own (not enumerable) marks behind.
      ...JSON.parse(JSON.stringify(schema)),
    } satisfies JsonSchema,
  ]);
  return Object.fromEntries(published) as Record<PublishedSchemaName, JsonSchema>;
}
