import { parseRfc3339 } from '@millrace/contracts';

/** A payment of a file, ready to be sent. */
export interface PaymentRow {
  readonly id: string;
  /** Whose order has to be kept. */
  readonly customerId: string;
  /** Epoch ms; undefined when the file's time cannot be read, which ingest will say too. */
  readonly timeMs: number | undefined;
  readonly json: string;
  /** What became known of it later, if the file says so. */
  readonly labelJson?: string;
}

/** A row that cannot even be sent, because the column is empty that it is known or ordered by. */
export interface UnusableRow {
  readonly problem: string;
}

/** What the columns of a file are. */
export type FileKind =
  | { readonly kind: 'payments'; readonly name: string; read(row: readonly string[]): PaymentRow | UnusableRow }
  | {
      readonly kind: 'telemetry';
      read(row: readonly string[]): { readonly timeMs: number; readonly value: number } | UnusableRow;
    };

/** `2018-04-01 00:00:31` (taken as UTC), RFC 3339, or epoch milliseconds. */
export function timeOf(text: string): number | undefined {
  if (/^[0-9]{12,15}$/.test(text)) return Number(text);
  return parseRfc3339(rfc3339(text));
}

/** The same moment in the form of the wire; any other text is left as it is, for ingest to refuse. */
export function rfc3339(text: string): string {
  const match = /^([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)$/.exec(text);
  return match === null ? text : `${match[1]}T${match[2]}Z`;
}

/** Where each of the wanted columns is; undefined unless all are there. */
export function positionsOf<Name extends string>(
  columns: readonly string[],
  wanted: readonly Name[],
): Readonly<Record<Name, number>> | undefined {
  if (!wanted.every((name) => columns.includes(name))) return undefined;
  return Object.fromEntries(wanted.map((name) => [name, columns.indexOf(name)])) as Record<Name, number>;
}
