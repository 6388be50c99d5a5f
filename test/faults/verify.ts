import { AssertionError } from 'node:assert';
import { createTopics } from '@millrace/contracts';
import { readCommitted } from '@millrace/test-platform';
import { type Outcome, outcome, settled } from './checks/check.ts';
import { checkAlerts, checkPayments, checkReadings } from './checks/events.ts';
import { checkLetters } from './checks/letters.ts';
import { checkOffsets, STORED_TOPICS } from './checks/offsets.ts';
import { checkDeaths, checkMemory } from './checks/processes.ts';
import { checkReconciliation } from './checks/reconciliation.ts';
import { checkWindows, type Place } from './checks/windows.ts';
import type { MemoryWatch } from './memory.ts';
import type { DrillPlatform } from './platform.ts';
import type { Progress } from './progress.ts';
import type { DrillTraffic } from './traffic.ts';

export interface Finished {
  readonly platform: DrillPlatform;
  readonly traffic: DrillTraffic;
  readonly memory: MemoryWatch;
  readonly progress: Progress;
  readonly waitMsMax: number;
}

/** Ends the traffic, waits until all of it has arrived, and looks at what is there. */
export async function verify({ platform, traffic, memory, progress, waitMsMax }: Finished): Promise<Outcome[]> {
  const left = await traffic.finish();
  const arrived = await untilArrived(progress, waitMsMax);
  const { payments, readings } = await traffic.ids();
  // First what ends last.
  const offsets = await settled(async () => checkOffsets(platform, await readCommitted(platform.kafka, storedTopics)));
  const alerts = await settled(async () => [await checkAlerts(platform)]);
  const { acknowledged } = payments;
  return [
    outcome('everything sent is acknowledged', payments.sent.size + readings.sent.size, [
      ...(left === 0 ? [] : [`${left} events have no answer`]),
      ...arrived,
    ]),
    ...(await checkPayments(platform, payments)),
    await checkReadings(platform, readings),
    ...alerts,
    ...offsets,
    ...(await checkWindows(platform, await readByMerchant(platform))),
    await checkLetters(platform),
    ...(await checkReconciliation(platform, traffic.sender, {
      payments: acknowledged.size,
      readings: readings.acknowledged.size,
    })),
    checkMemory(memory.peaks),
    checkDeaths(platform.group.output(), platform.killed),
  ];
}

const storedTopics = STORED_TOPICS.map(({ topic }) => topic);

async function readByMerchant(platform: DrillPlatform): Promise<Place[]> {
  const places: Place[] = [];
  await readCommitted(platform.kafka, [createTopics().paymentsByMerchant.name], ({ partition, offset, value }) => {
    places.push({ id: JSON.parse(String(value)).transaction_id, partition, offset });
  });
  return places;
}

async function untilArrived(progress: Progress, waitMsMax: number): Promise<string[]> {
  try {
    await progress.untilCaughtUp(waitMsMax);
    return [];
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error;
    return [error.message];
  }
}
