import { aggregateOf, count, hopping, streamBuilder, sum, type Topology } from '../../src/index.ts';
import { happenedTopic } from '../support/happened.ts';

interface Event {
  readonly id: string;
  readonly key: string;
  readonly atMs: number;
}
interface Payment extends Event {
  readonly merchant: string;
  readonly status: 'approved' | 'declined';
  readonly amount: number;
}
interface Named extends Event {
  readonly name: string;
}

export const topics = {
  payments: happenedTopic<Payment>('payments'),
  refunds: happenedTopic<Payment>('refunds'),
  byMerchant: happenedTopic<Payment>('by-merchant'),
  cards: happenedTopic<Named>('cards'),
  merchants: happenedTopic<Named>('merchants'),
  activity: happenedTopic<Event & { readonly holder: string; readonly n: number; readonly sum: number }>('activity'),
  quickRefunds: happenedTopic<Event & { readonly refund: string | null }>('quick-refunds'),
  late: happenedTopic<Payment>('late'),
};

export function createTopology(): Topology {
  // README
  const builder = streamBuilder('card-activity');
  const perMerchant = builder.stage('per-merchant', { graceMs: 60_000, onError: 'dead-letter' });
  const perCard = builder.stage('per-card', { graceMs: 60_000, onError: 'dead-letter', idleAfterMs: 5_000 });

  const payments = perCard.stream(topics.payments);
  const { approved } = payments.branch({ approved: ({ status }) => status === 'approved' });
  const activity = approved.aggregate('activity', {
    windows: hopping({ sizeMs: 600_000, advanceMs: 60_000 }),
    aggregation: aggregateOf({ n: count(), sum: sum(({ amount }: Payment) => amount) }),
    emit: 'on-close',
    keysMax: 1_000_000,
  });
  const cards = perCard.table('cards', topics.cards, { entriesMax: 1_000_000 });
  activity
    .leftJoin(cards, ({ key, window, result }, card) => ({
      id: `${key}@${window.startMs}`,
      key,
      atMs: window.endMs,
      holder: card?.name ?? 'unknown',
      ...result,
    }))
    .to(topics.activity);
  activity.late.to(topics.late);

  const merchants = perCard.global(topics.merchants);
  const atMerchants = approved
    .join(
      merchants,
      ({ merchant }) => merchant,
      (payment, { name }) => ({ ...payment, merchant: name }),
    )
    .selectKey(({ merchant }) => merchant)
    .repartition(topics.byMerchant, perMerchant);
  atMerchants
    .joinWindow(
      perMerchant.stream(topics.refunds),
      { name: 'refunds', kind: 'left', beforeMs: 0, afterMs: 300_000, eventsPerKeyMax: 10_000, keysMax: 100_000 },
      (payment, refund) => ({ id: payment.id, key: payment.merchant, atMs: payment.atMs, refund: refund?.id ?? null }),
    )
    .to(topics.quickRefunds);
  const topology = builder.build();
  // README
  return topology;
}
