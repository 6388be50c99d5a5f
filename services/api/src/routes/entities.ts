import { Type } from 'typebox';
import type { ApiInstance } from '../app.ts';
import { notFound } from '../http/problems.ts';
import { CustomerAnswer, DeviceAnswer, MerchantAnswer, notFoundAnswer, problemAnswers } from '../http/schemas.ts';
import { alertView, decisionView, deviceView, merchantView, paymentView, profileView } from '../http/views.ts';
import type { Reads } from '../reads.ts';
import { id } from './events.ts';

/** Events of each kind that an entity's answer holds. The lists, with a filter, have them all. */
export const RECENT_MAX = 20;

/** Customers, merchants and devices, each with what happened around it lately. */
export function registerEntityRoutes(app: ApiInstance, reads: Reads): void {
  const recent = { limit: RECENT_MAX };

  app.get(
    '/v1/customers/:customer_id',
    {
      schema: {
        operationId: 'get-customer',
        tags: ['entities'],
        summary: `A customer: unified profile, and the last ${RECENT_MAX} payments, decisions and alerts.`,
        params: Type.Object({ customer_id: id('The customer.') }),
        response: { 200: CustomerAnswer, ...problemAnswers, ...notFoundAnswer },
      },
    },
    async ({ params: { customer_id } }) => {
      const [profile, payments, decisions, alerts] = await Promise.all([
        reads.findProfile(customer_id),
        reads.listPayments({ customer_id }, recent),
        reads.listDecisions({ customer_id }, recent),
        reads.listAlerts({ customer_id }, recent),
      ]);
      if (profile === undefined && payments.length + decisions.length + alerts.length === 0) {
        throw notFound('customer', customer_id);
      }
      return {
        customer_id,
        profile: profile === undefined ? null : profileView(profile),
        payments: payments.map(paymentView),
        decisions: decisions.map(decisionView),
        alerts: alerts.map(alertView),
      };
    },
  );

  app.get(
    '/v1/merchants/:merchant_id',
    {
      schema: {
        operationId: 'get-merchant',
        tags: ['entities'],
        summary: `A merchant by its payments: terminals, and the last ${RECENT_MAX} payments and alerts.`,
        params: Type.Object({ merchant_id: id('The merchant.') }),
        response: { 200: MerchantAnswer, ...problemAnswers, ...notFoundAnswer },
      },
    },
    async ({ params: { merchant_id } }) => {
      const [merchant, payments, alerts] = await Promise.all([
        reads.findMerchant(merchant_id),
        reads.listPayments({ merchant_id }, recent),
        reads.listAlerts({ merchant_id }, recent),
      ]);
      if (merchant === undefined) throw notFound('merchant', merchant_id);
      return {
        ...merchantView(merchant),
        recent_payments: payments.map(paymentView),
        alerts: alerts.map(alertView),
      };
    },
  );

  app.get(
    '/v1/devices/:device_id',
    {
      schema: {
        operationId: 'get-device',
        tags: ['entities'],
        summary: `A device: newest value of each metric, status, and the last ${RECENT_MAX} readings and alerts.`,
        params: Type.Object({ device_id: id('The device.') }),
        response: { 200: DeviceAnswer, ...problemAnswers, ...notFoundAnswer },
      },
    },
    async ({ params: { device_id } }) => {
      const [device, alerts] = await Promise.all([
        reads.findDevice(device_id, RECENT_MAX),
        reads.listAlerts({ device_id }, recent),
      ]);
      if (device === undefined) throw notFound('device', device_id);
      const online = device.metrics.find(({ metric }) => metric === 'online')?.value;
      const status = online === undefined ? 'unknown' : online === 0 ? 'offline' : 'online';
      return { ...deviceView(device), status, alerts: alerts.map(alertView) };
    },
  );
}
