import { EVENT_TIME_MAX_MS, parseRfc3339 } from '@millrace/contracts';
import type { Page, PagePosition, TimeRange } from '@millrace/warehouse';
import { Type } from 'typebox';
import { badField } from './problems.ts';

export const PAGE_DEFAULT = 50;
export const PAGE_MAX = 200;
/** A position is a time and an id of at most 320 characters. */
const CURSOR_LENGTH_MAX = 512;

/** Query parameters of every list. */
export const listParameters = {
  since: Type.Optional(
    Type.String({ maxLength: 64, description: 'From this time on: RFC 3339, or epoch milliseconds.' }),
  ),
  until: Type.Optional(
    Type.String({ maxLength: 64, description: 'Before this time: RFC 3339, or epoch milliseconds.' }),
  ),
  limit: Type.Integer({ minimum: 1, maximum: PAGE_MAX, default: PAGE_DEFAULT, description: 'Items on a page.' }),
  cursor: Type.Optional(
    Type.String({ maxLength: CURSOR_LENGTH_MAX, description: '`next_cursor` of the page before this one.' }),
  ),
};

interface ListQuery {
  readonly since?: string;
  readonly until?: string;
  readonly limit: number;
  readonly cursor?: string;
}

export function rangeOf({ since, until }: Pick<ListQuery, 'since' | 'until'>): TimeRange {
  return { fromMs: parseTime('since', since), untilMs: parseTime('until', until) };
}

export function pageOf({ limit, cursor }: Pick<ListQuery, 'limit' | 'cursor'>): Page {
  return { limit, after: cursor === undefined ? undefined : parseCursor(cursor) };
}

/** A page and where the next one begins; null on the last. */
export function pageAnswer<Item, View>(
  items: readonly Item[],
  limit: number,
  view: (item: Item) => View,
  positionOf: (item: Item) => PagePosition,
): { items: View[]; next_cursor: string | null } {
  const last = items.length === limit ? items.at(-1) : undefined;
  return { items: items.map(view), next_cursor: last === undefined ? null : formatCursor(positionOf(last)) };
}

export function formatCursor({ timeMs, id }: PagePosition): string {
  return Buffer.from(`${timeMs}:${id}`).toString('base64url');
}

function parseCursor(cursor: string): PagePosition {
  const [, time, id] = /^(\d{1,15}):(.+)$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (time === undefined || id === undefined) {
    throw badField('cursor', 'is not a cursor of ours; use next_cursor of the page before, or leave it out');
  }
  return { timeMs: Number(time), id };
}

function parseTime(field: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const timeMs = /^\d{1,15}$/.test(text) ? Number(text) : parseRfc3339(text);
  if (timeMs === undefined || timeMs > EVENT_TIME_MAX_MS) {
    throw badField(field, 'must be a time such as 2026-03-01T12:00:00Z, or epoch milliseconds');
  }
  return timeMs;
}
