import Type, { type TSchema } from 'typebox';
import * as limits from './limits.ts';

/**
 * The building blocks of all schemas: one definition per kind of field, with its limits, so that a payment's
 * `merchant_id` and a label's are the same thing.
 */

const idPattern = (lengthMax: number) => `^[${limits.ID_ALPHABET}]{1,${lengthMax}}$`;

/** Names of metrics, features, kinds and sources. They become map keys: nothing that an object inherits is allowed. */
export const NAME_PATTERN = `^(?!constructor$|prototype$)[A-Za-z0-9][A-Za-z0-9_.:/-]{0,${limits.NAME_LENGTH_MAX - 1}}$`;
/** Attribute names come from outside and may hold any letter; control characters and prototype names may not enter. */
export const ATTRIBUTE_NAME_PATTERN = `^(?!(?:__proto__|constructor|prototype)$)[^\\u0000-\\u001f\\u007f\\ud800-\\udfff]{1,${limits.NAME_LENGTH_MAX}}$`;
export const ALERT_ID_PATTERN = idPattern(limits.ALERT_ID_LENGTH_MAX);
export const ID_PATTERN = idPattern(limits.ID_LENGTH_MAX);
export const TRANSACTION_ID_PATTERN = idPattern(limits.TRANSACTION_ID_LENGTH_MAX);
/** A lone surrogate cannot be written as UTF-8, so it would not survive the way through Kafka. */
const WELL_FORMED_PATTERN = '^[^\\ud800-\\udfff]*$';

export const transactionId = (description: string) => Type.String({ pattern: TRANSACTION_ID_PATTERN, description });
export const id = (description: string) => Type.String({ pattern: ID_PATTERN, description });
export const name = (description: string) => Type.String({ pattern: NAME_PATTERN, description });
export const text = (description: string, lengthMax = limits.TEXT_LENGTH_MAX) =>
  Type.String({ maxLength: lengthMax, pattern: WELL_FORMED_PATTERN, description });

export const timeMs = (description: string) =>
  Type.Integer({
    minimum: limits.EVENT_TIME_MIN_MS,
    maximum: limits.EVENT_TIME_MAX_MS,
    description: `${description} Epoch milliseconds, UTC.`,
  });

export const amountMinor = () =>
  Type.Integer({
    minimum: 0,
    maximum: limits.AMOUNT_MINOR_MAX,
    description: "The amount in the currency's minor unit (ISO 4217): 12.50 EUR is 1250, 1250 JPY is 1250.",
  });
export const currency = () => Type.String({ pattern: '^[A-Z]{3}$', description: 'ISO 4217 alphabetic code.' });
export const country = () => Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2 code.' });
export const mcc = () => Type.String({ pattern: '^[0-9]{4}$', description: 'ISO 18245 merchant category code.' });
export const latitude = () => Type.Number({ minimum: -90, maximum: 90, description: 'Degrees, WGS 84.' });
export const longitude = () => Type.Number({ minimum: -180, maximum: 180, description: 'Degrees, WGS 84.' });
/** Half a place is none. For the options of an object that has both fields; in words that all drafts of JSON Schema know. */
export const bothCoordinates = {
  anyOf: [
    { required: ['latitude', 'longitude'] },
    { not: { anyOf: [{ required: ['latitude'] }, { required: ['longitude'] }] } },
  ],
};
export const ip = () =>
  Type.Union([Type.String({ format: 'ipv4' }), Type.String({ format: 'ipv6' })], { description: 'IP address.' });
export const sequence = () =>
  Type.Integer({ minimum: 0, maximum: limits.SEQUENCE_MAX, description: 'Counts up per device.' });
export const offset = () => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const partition = () => Type.Integer({ minimum: 0, maximum: 2_147_483_647 });
export const score = () => Type.Number({ minimum: 0, maximum: limits.SCORE_MAX });
export const topic = () => Type.String({ pattern: '^[A-Za-z0-9._-]{1,249}$', description: 'Name of a Kafka topic.' });
export const traceId = () => Type.String({ pattern: '^[0-9a-f]{32}$', description: 'W3C trace id.' });

/** Where in Kafka a value came from. */
export const RecordPosition = Type.Object({ topic: topic(), partition: partition(), offset: offset() });
export type RecordPosition = Type.Static<typeof RecordPosition>;

export type Scalar = string | number | boolean;
const scalarText = () => Type.String({ maxLength: limits.ATTRIBUTES_BYTES_MAX, pattern: WELL_FORMED_PATTERN });
/** `finite` is implied: JSON has no other numbers. */
export const Scalar = Type.Union([scalarText(), Type.Number(), Type.Boolean()]);
export const NullableScalar = Type.Union([scalarText(), Type.Number(), Type.Boolean(), Type.Null()]);

/** An object used as a map. JSON Schema says it best with `additionalProperties`, for which TypeBox has no type. */
export function map<V>(
  value: TSchema,
  options: { names: string; min?: number; max: number; description: string },
): Type.TUnsafe<Record<string, V>> {
  return Type.Unsafe<Record<string, V>>(
    Type.Object(
      {},
      {
        additionalProperties: value,
        propertyNames: { type: 'string', pattern: options.names },
        ...(options.min === undefined ? {} : { minProperties: options.min }),
        maxProperties: options.max,
        description: options.description,
      },
    ),
  );
}

export const attributes = () =>
  map<Scalar>(Scalar, {
    names: ATTRIBUTE_NAME_PATTERN,
    max: limits.ATTRIBUTES_MAX,
    description: `Whatever else the sender knows; at most ${limits.ATTRIBUTES_BYTES_MAX} bytes as JSON.`,
  });
export const features = (description: string) =>
  map<number>(Type.Number(), { names: NAME_PATTERN, max: limits.FEATURES_MAX, description });
