import Type from 'typebox';
import * as field from './fields.ts';

export const LABEL_SOURCES = ['chargeback', 'analyst', 'issuer'] as const;

export const labelFields = {
  transaction_id: field.transactionId('The payment that is labelled.'),
  customer_id: field.id('Whose payment it was; the key of the record.'),
  fraud: Type.Boolean(),
  labelled_at: field.timeMs('When it became known.'),
  source: Type.Enum(LABEL_SOURCES),
  reason: Type.Optional(field.text('Why, for a reader.')),
  payment_time: Type.Optional(field.timeMs('When the payment was made.')),
  card_id: Type.Optional(field.id('Token of the card of the payment.')),
  merchant_id: Type.Optional(field.id('Merchant of the payment.')),
  terminal_id: Type.Optional(field.id('Terminal of the payment.')),
  attributes: Type.Optional(field.attributes()),
};

/** `label.v1`: what became known about a payment later. */
export const Label = Type.Object(labelFields);
export type Label = Type.Static<typeof Label>;
