import Type, { type TProperties } from 'typebox';
import * as field from '../fields.ts';
import { labelFields } from '../label.ts';
import * as limits from '../limits.ts';
import { paymentContext, paymentParties, paymentRules } from '../payment.ts';
import { CustomerSource, Device, Merchant } from '../reference.ts';
import { Telemetry } from '../telemetry.ts';

/**
 * The wire form of what comes from outside, as JSON Schema: for OpenAPI and for senders who check before they send.
 *
 * The parsers refuse what these schemas refuse, and beyond them what JSON Schema cannot say: digits of an amount by
 * currency, whether a currency, a country or a day exists, how old an event is, bytes of attributes, names given twice.
 */

const RFC3339_PATTERN =
  '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})$';

const time = (description: string) =>
  Type.Union(
    [
      Type.String({ pattern: RFC3339_PATTERN, maxLength: 64, description: 'RFC 3339.' }),
      Type.Integer({
        minimum: limits.EVENT_TIME_MIN_MS,
        maximum: limits.EVENT_TIME_MAX_MS,
        description: 'Epoch milliseconds.',
      }),
    ],
    { description },
  );

const amount = Type.Union(
  [Type.String({ pattern: '^(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?$' }), Type.Number({ minimum: 0 })],
  {
    description: "A decimal string (or a number) with no more digits behind the point than the currency has: '12.50'.",
  },
);

/** A card number may come as people write it, with spaces. */
const cardId = Type.Optional(
  Type.String({
    pattern: `^[ ${limits.ID_ALPHABET}]{1,${limits.ID_LENGTH_MAX}}$`,
    description: 'Token of the card. A card number is replaced by its token at once, and never stored.',
  }),
);

/** Fields that the schema does not name are kept as attributes. */
const open = (value: Type.TSchema = field.Scalar) => ({
  additionalProperties: value,
  propertyNames: { type: 'string', pattern: field.ATTRIBUTE_NAME_PATTERN },
});

const event = <P extends TProperties>(properties: P, options: object = {}) =>
  Type.Object(properties, { ...open(), ...field.bothCoordinates, ...options });

export const wireSchemas = {
  payment: event(
    {
      transaction_id: field.transactionId('Idempotency key: a repeat of it is dropped as a duplicate.'),
      event_time: time('When the customer paid.'),
      ...paymentParties,
      card_id: cardId,
      amount,
      currency: field.currency(),
      ...paymentContext,
    },
    paymentRules,
  ),
  telemetry: event({ ...Telemetry.properties, event_time: time('When the device measured.') }),
  label: event({
    ...labelFields,
    card_id: cardId,
    labelled_at: time('When it became known.'),
    payment_time: Type.Optional(time('When the payment was made.')),
  }),
  customerSource: Type.Object(
    {
      ...CustomerSource.properties,
      updated_at: time('When the source last changed this.'),
      fields: Type.Optional(CustomerSource.properties.fields),
    },
    open(field.NullableScalar),
  ),
  merchant: event({ ...Merchant.properties, updated_at: time('From when on this is valid.') }),
  device: event({ ...Device.properties, updated_at: time('From when on this is valid.') }),
} as const;
