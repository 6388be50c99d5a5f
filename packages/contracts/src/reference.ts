import Type from 'typebox';
import * as field from './fields.ts';
import { SOURCE_FIELDS_MAX } from './limits.ts';
import { ProfileFields } from './payment.ts';

/** The sources that have a topic of their own from the start. Others get theirs from `customerSourceTopic`. */
export const CUSTOMER_SOURCES = ['crm', 'accounts', 'kyc'] as const;

/** `customer-source.v1`: what one source knows of a customer. A null field is one that the source has taken back. */
export const CustomerSource = Type.Object({
  customer_id: field.id('The customer; the key of the record.'),
  source: field.name('crm, accounts, kyc, ...'),
  updated_at: field.timeMs('When the source last changed this.'),
  fields: field.map<field.Scalar | null>(field.NullableScalar, {
    names: field.ATTRIBUTE_NAME_PATTERN,
    max: SOURCE_FIELDS_MAX,
    description: "The source's own fields; null takes a field back.",
  }),
});
export type CustomerSource = Type.Static<typeof CustomerSource>;

/** `profile.v1`: the unified profile of a customer; sources may arrive in any order. */
export const Profile = Type.Object({
  customer_id: field.id('The customer; the key of the record.'),
  updated_at: field.timeMs('The newest of the times of its sources.'),
  fields: ProfileFields,
  sources: field.map<number>(field.timeMs('When the source last changed.'), {
    names: field.NAME_PATTERN,
    max: SOURCE_FIELDS_MAX,
    description: 'The sources that have contributed, with the time of the newest record of each.',
  }),
});
export type Profile = Type.Static<typeof Profile>;

/** `merchant.v1` */
export const Merchant = Type.Object(
  {
    merchant_id: field.id('The merchant; the key of the record.'),
    updated_at: field.timeMs('From when on this is valid.'),
    name: Type.Optional(field.text('Name for a reader.')),
    mcc: Type.Optional(field.mcc()),
    country: Type.Optional(field.country()),
    latitude: Type.Optional(field.latitude()),
    longitude: Type.Optional(field.longitude()),
    attributes: Type.Optional(field.attributes()),
  },
  field.bothCoordinates,
);
export type Merchant = Type.Static<typeof Merchant>;

/** `device.v1`: terminals, sensors, phones. */
export const Device = Type.Object(
  {
    device_id: field.id('The device; the key of the record.'),
    updated_at: field.timeMs('From when on this is valid.'),
    merchant_id: Type.Optional(field.id('The merchant that owns it.')),
    customer_id: Type.Optional(field.id('The customer that owns it (a phone).')),
    kind: Type.Optional(field.name('terminal, atm, sensor, phone, ...')),
    country: Type.Optional(field.country()),
    latitude: Type.Optional(field.latitude()),
    longitude: Type.Optional(field.longitude()),
    firmware: Type.Optional(field.text('Firmware version.')),
    attributes: Type.Optional(field.attributes()),
  },
  field.bothCoordinates,
);
export type Device = Type.Static<typeof Device>;
