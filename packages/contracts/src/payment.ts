import Type from 'typebox';
import * as field from './fields.ts';
import { PROFILE_FIELDS_MAX } from './limits.ts';

export const CHANNELS = ['pos', 'ecom', 'atm', 'transfer'] as const;
export const PAYMENT_STATUSES = ['authorised', 'declined', 'reversed'] as const;

/** The fields that are the same on the wire and inside, in the order in which they are written. */
export const paymentParties = {
  customer_id: field.id('Who pays; the key of the record.'),
  card_id: Type.Optional(
    field.id('Token of the card. A card number is replaced by its token before anything sees it.'),
  ),
  account_id: Type.Optional(field.id("The customer's account.")),
  merchant_id: Type.Optional(field.id('Who is paid; required unless the channel is transfer.')),
  payee_id: Type.Optional(field.id('Who is paid by a transfer.')),
  terminal_id: Type.Optional(field.id("The merchant's terminal or cash machine.")),
  mcc: Type.Optional(field.mcc()),
};
export const paymentContext = {
  country: Type.Optional(field.country()),
  channel: Type.Enum(CHANNELS),
  status: Type.Optional(Type.Enum(PAYMENT_STATUSES)),
  latitude: Type.Optional(field.latitude()),
  longitude: Type.Optional(field.longitude()),
  ip: Type.Optional(field.ip()),
  device_id: Type.Optional(field.id("The customer's phone.")),
  attributes: Type.Optional(field.attributes()),
};

const paymentFields = {
  transaction_id: field.transactionId('Idempotency key: a repeat of it is dropped as a duplicate.'),
  event_time: field.timeMs('When the customer paid.'),
  ...paymentParties,
  amount_minor: field.amountMinor(),
  currency: field.currency(),
  ...paymentContext,
};

/**
 * A transfer names its payee, everything else its merchant; never both, because the merchant stage is keyed by it.
 * Together with the rule for coordinates, these are the options of every object that is a payment.
 */
export const paymentRules = {
  ...field.bothCoordinates,
  if: { properties: { channel: { const: 'transfer' } }, required: ['channel'] },
  // biome-ignore lint/suspicious/noThenProperty: `then` is a keyword of JSON Schema.
  then: { required: ['payee_id'], not: { required: ['merchant_id'] } },
  else: { required: ['merchant_id'], not: { required: ['payee_id'] } },
};

/** `payment.v1` as it is in Kafka. */
export const Payment = Type.Object(paymentFields, paymentRules);
export type Payment = Type.Static<typeof Payment>;

export const ProfileField = Type.Object({
  value: field.Scalar,
  source: field.name('The source whose value this is.'),
  updated_at: field.timeMs('When that source last changed it.'),
});
export type ProfileField = Type.Static<typeof ProfileField>;
export type ProfileFields = Record<string, ProfileField>;
export const ProfileFields = field.map<ProfileField>(ProfileField, {
  names: field.ATTRIBUTE_NAME_PATTERN,
  max: PROFILE_FIELDS_MAX,
  description: 'The newest value of each field, with its source and time.',
});

/** What the enricher knows of the merchant at the time of the payment. */
export const KnownMerchant = Type.Object({
  name: Type.Optional(field.text('Name for a reader.')),
  mcc: Type.Optional(field.mcc()),
  country: Type.Optional(field.country()),
  latitude: Type.Optional(field.latitude()),
  longitude: Type.Optional(field.longitude()),
});
export type KnownMerchant = Type.Static<typeof KnownMerchant>;

/** What the enricher knows of the terminal at the time of the payment. */
export const KnownTerminal = Type.Object({
  kind: Type.Optional(field.name('terminal, atm, ...')),
  merchant_id: Type.Optional(field.id('Who owns it.')),
  country: Type.Optional(field.country()),
  latitude: Type.Optional(field.latitude()),
  longitude: Type.Optional(field.longitude()),
  firmware: Type.Optional(field.text('Firmware version.')),
});
export type KnownTerminal = Type.Static<typeof KnownTerminal>;

const enrichedFields = {
  ...paymentFields,
  profile: Type.Optional(ProfileFields),
  merchant: Type.Optional(KnownMerchant),
  terminal: Type.Optional(KnownTerminal),
  duplicate_of: Type.Optional(field.transactionId('The payment that this one repeats under another transaction id.')),
};

/** `enriched-payment.v1` */
export const EnrichedPayment = Type.Object(enrichedFields, paymentRules);
export type EnrichedPayment = Type.Static<typeof EnrichedPayment>;

/** `payment-features.v1`: the payment on its way from the customer stage to the merchant stage. */
export const PaymentFeatures = Type.Object(
  {
    ...enrichedFields,
    customer_features: field.features('Features of customer and card.'),
    input: field.RecordPosition,
  },
  paymentRules,
);
export type PaymentFeatures = Type.Static<typeof PaymentFeatures>;
