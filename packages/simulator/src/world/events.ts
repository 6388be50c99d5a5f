/** What the world sends, in the form of the wire: times are epoch milliseconds, amounts decimal text. */

export interface WirePayment {
  readonly transaction_id: string;
  readonly event_time: number;
  readonly customer_id: string;
  readonly card_id?: string;
  readonly account_id?: string;
  readonly merchant_id?: string;
  readonly payee_id?: string;
  readonly terminal_id?: string;
  readonly mcc?: string;
  readonly amount: string;
  readonly currency: string;
  readonly country?: string;
  readonly channel: 'pos' | 'ecom' | 'atm' | 'transfer';
  readonly status?: 'authorised' | 'declined' | 'reversed';
  readonly latitude?: number;
  readonly longitude?: number;
  readonly ip?: string;
  readonly device_id?: string;
}

export interface WireTelemetry {
  readonly device_id: string;
  readonly event_time: number;
  readonly sequence: number;
  readonly metrics: Readonly<Record<string, number | boolean>>;
  readonly firmware?: string;
}

export interface WireLabel {
  readonly transaction_id: string;
  readonly customer_id: string;
  readonly fraud: boolean;
  readonly labelled_at: number;
  readonly source: 'chargeback' | 'analyst' | 'issuer';
  readonly reason?: string;
  readonly payment_time: number;
  readonly card_id?: string;
  readonly merchant_id?: string;
  readonly terminal_id?: string;
}

export interface WireCustomerSource {
  readonly customer_id: string;
  readonly source: 'crm' | 'accounts' | 'kyc';
  readonly updated_at: number;
  /** Everything else is what the source knows. */
  readonly [field: string]: string | number | boolean;
}

export interface WireMerchant {
  readonly merchant_id: string;
  readonly updated_at: number;
  readonly name: string;
  readonly mcc: string;
  readonly country: string;
  readonly latitude?: number;
  readonly longitude?: number;
}

export interface WireDevice {
  readonly device_id: string;
  readonly updated_at: number;
  readonly merchant_id: string;
  readonly kind: string;
  readonly country: string;
  readonly latitude?: number;
  readonly longitude?: number;
  readonly firmware: string;
}

/** The stories that fraud is made of, and one of a device that merely breaks. */
export const SCENARIOS = [
  'card_testing',
  'stolen_card_abroad',
  'account_takeover',
  'compromised_terminal',
  'structuring',
  'mule_account',
  'broken_sensor',
] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** How an event travels: `duplicate` is the same event, with the same id, sent once more. */
export type Delivery = 'on-time' | 'out-of-order' | 'late' | 'duplicate';

interface Sent<Kind extends string, Event> {
  readonly kind: Kind;
  /** When it leaves its sender, epoch ms. The event time is in the event. */
  readonly sendAtMs: number;
  readonly event: Event;
  readonly delivery: Delivery;
  /** Set on what belongs to a fraud or a fault; nothing in the event itself tells. */
  readonly scenario?: Scenario;
}

/** A message that no receiver may take: `body` is sent as it is. */
export interface MalformedEvent {
  readonly kind: 'malformed';
  readonly sendAtMs: number;
  readonly fault: string;
  readonly body: string;
  /** Payments go over HTTP; telemetry over the connection of that device. */
  readonly target: { readonly kind: 'payment' } | { readonly kind: 'telemetry'; readonly deviceId: string };
}

export type PaymentEvent = Sent<'payment', WirePayment>;
export type TelemetryEvent = Sent<'telemetry', WireTelemetry>;
export type LabelEvent = Sent<'label', WireLabel>;
export type ReferenceEvent =
  | Sent<'merchant', WireMerchant>
  | Sent<'device', WireDevice>
  | Sent<'customer', WireCustomerSource>;
export type WorldEvent = PaymentEvent | TelemetryEvent | LabelEvent | ReferenceEvent | MalformedEvent;
