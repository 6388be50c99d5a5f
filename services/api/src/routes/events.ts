import { ALERT_KINDS, CHANNELS, DECISIONS, ID_ALPHABET, ID_LENGTH_MAX } from '@millrace/contracts';
import { Type } from 'typebox';
import type { ApiInstance } from '../app.ts';
import { listParameters, pageAnswer, pageOf, rangeOf } from '../http/paging.ts';
import { notFound } from '../http/problems.ts';
import {
  AlertAnswer,
  DecisionAnswer,
  notFoundAnswer,
  PaymentAnswer,
  pageOfAnswers,
  problemAnswers,
} from '../http/schemas.ts';
import { alertView, decisionView, paymentView } from '../http/views.ts';
import type { Reads } from '../reads.ts';

export const id = (description: string) =>
  Type.String({ pattern: `^[${ID_ALPHABET}]{1,${ID_LENGTH_MAX}}$`, description });
const filter = (description: string) => Type.Optional(id(description));
const closed = { additionalProperties: false };

const transaction = Type.Object({ transaction_id: id('The payment.') });

/** Payments, decisions and alerts: one by its id, or lists with filters, newest first. */
export function registerEventRoutes(app: ApiInstance, reads: Reads): void {
  app.get(
    '/v1/payments/:transaction_id',
    {
      schema: {
        operationId: 'get-payment',
        tags: ['events'],
        summary: 'One payment, with what was known when it was enriched.',
        params: transaction,
        response: { 200: PaymentAnswer, ...problemAnswers, ...notFoundAnswer },
      },
    },
    async ({ params: { transaction_id } }) => {
      const payment = await reads.findPayment(transaction_id);
      if (payment === undefined) throw notFound('payment', transaction_id);
      return paymentView(payment);
    },
  );

  app.get(
    '/v1/payments',
    {
      schema: {
        operationId: 'list-payments',
        tags: ['events'],
        summary: 'Payments, newest event first.',
        querystring: Type.Object(
          {
            customer_id: filter('Who paid.'),
            card_id: filter('Token of the card.'),
            merchant_id: filter('Who was paid.'),
            terminal_id: filter('Where.'),
            channel: Type.Optional(Type.Enum([...CHANNELS])),
            ...listParameters,
          },
          closed,
        ),
        response: { 200: pageOfAnswers(PaymentAnswer), ...problemAnswers },
      },
    },
    async ({ query }) => {
      const { since: _, until: __, limit, cursor: ___, ...filters } = query;
      const payments = await reads.listPayments({ ...filters, ...rangeOf(query) }, pageOf(query));
      return pageAnswer(payments, limit, paymentView, eventPosition);
    },
  );

  app.get(
    '/v1/decisions/:transaction_id',
    {
      schema: {
        operationId: 'get-decision',
        tags: ['events'],
        summary: 'What was decided of a payment, by which rules and features.',
        params: transaction,
        response: { 200: DecisionAnswer, ...problemAnswers, ...notFoundAnswer },
      },
    },
    async ({ params: { transaction_id } }) => {
      const decision = await reads.findDecision(transaction_id);
      if (decision === undefined) throw notFound('decision', transaction_id);
      return decisionView(decision);
    },
  );

  app.get(
    '/v1/decisions',
    {
      schema: {
        operationId: 'list-decisions',
        tags: ['events'],
        summary: 'Decisions, newest event first.',
        querystring: Type.Object(
          {
            decision: Type.Optional(Type.Enum([...DECISIONS])),
            customer_id: filter('Who paid.'),
            card_id: filter('Token of the card.'),
            merchant_id: filter('Who was paid.'),
            terminal_id: filter('Where.'),
            ...listParameters,
          },
          closed,
        ),
        response: { 200: pageOfAnswers(DecisionAnswer), ...problemAnswers },
      },
    },
    async ({ query }) => {
      const { since: _, until: __, limit, cursor: ___, ...filters } = query;
      const decisions = await reads.listDecisions({ ...filters, ...rangeOf(query) }, pageOf(query));
      return pageAnswer(decisions, limit, decisionView, eventPosition);
    },
  );

  app.get(
    '/v1/alerts',
    {
      schema: {
        operationId: 'list-alerts',
        tags: ['events'],
        summary: 'Alerts, last raised first. `since` and `until` are of the time at which they were raised.',
        querystring: Type.Object(
          {
            kind: Type.Optional(Type.Enum([...ALERT_KINDS])),
            decision: Type.Optional(Type.Enum([...DECISIONS])),
            customer_id: filter('Whose payment.'),
            device_id: filter('Which device.'),
            merchant_id: filter('Whose terminal, or who was paid.'),
            ...listParameters,
          },
          closed,
        ),
        response: { 200: pageOfAnswers(AlertAnswer), ...problemAnswers },
      },
    },
    async ({ query }) => {
      const { since: _, until: __, limit, cursor: ___, ...filters } = query;
      const alerts = await reads.listAlerts({ ...filters, ...rangeOf(query) }, pageOf(query));
      return pageAnswer(alerts, limit, alertView, ({ raised_at, alert_id }) => ({ timeMs: raised_at, id: alert_id }));
    },
  );
}

function eventPosition(event: { readonly event_time: number; readonly transaction_id: string }) {
  return { timeMs: event.event_time, id: event.transaction_id };
}
