export { CARD_NUMBER_DIGITS_MAX, CARD_NUMBER_DIGITS_MIN, mayShowCardNumber, passesLuhn } from './card-number.ts';
export * from './codec.ts';
export { isCountry } from './country.ts';
export * from './decision.ts';
export * from './errors.ts';
export { NullableScalar, RecordPosition, Scalar } from './fields.ts';
export * from './headers.ts';
export { LABEL_SOURCES, Label } from './label.ts';
export * from './limits.ts';
export { currencyExponent, formatAmount, parseAmountMinor } from './money.ts';
export * from './operations.ts';
export * from './payment.ts';
export * from './reference.ts';
export * from './rule.ts';
export { samples, wireSamples } from './samples.ts';
export { type JsonSchema, jsonSchemas, type PublishedSchemaName, type SchemaName, schemas } from './schemas.ts';
export * from './telemetry.ts';
export { parseRfc3339 } from './time.ts';
export {
  DEAD_LETTER_RETENTION_MS,
  MARK_RETENTION_MS,
  PARTITIONS_DEFAULT,
  RETENTION_BYTES_PER_PARTITION,
  type TopicContract,
  type TopicOptions,
} from './topic-contract.ts';
export * from './topics.ts';
export * from './wire/events.ts';
export { PROBLEMS_MAX, type WireOptions } from './wire/reading.ts';
export { wireSchemas } from './wire/schemas.ts';
