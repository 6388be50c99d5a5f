import assert from 'node:assert/strict';
import { eventually, get, SERVICES, select } from '@millrace/test-platform';
import { type DrillPlatform, instancesOf } from './platform.ts';
import type { DrillTraffic } from './traffic.ts';

export interface Progress {
  /** All that is acknowledged now is decided and stored. */
  untilCaughtUp(waitMsMax: number): Promise<void>;
  /**
   * Every process runs and is ready and the senders get on (the moment of which is the answer, by performance.now()), and
   * all that is acknowledged is decided and stored.
   */
  untilRecovered(waitMsMax: number): Promise<number>;
}

export function createProgress(platform: DrillPlatform, traffic: DrillTraffic): Progress {
  async function untilCaughtUp(waitMsMax: number): Promise<void> {
    const { payments, readings } = traffic.acknowledged();
    await eventually(async () => {
      const stored = await storedCounts(platform);
      assert.ok(stored.payments >= payments, `${stored.payments} of ${payments} payments are stored`);
      assert.ok(stored.decisions >= payments, `${stored.decisions} of ${payments} payments are decided`);
      assert.ok(stored.readings >= readings, `${stored.readings} of ${readings} readings are stored`);
    }, waitMsMax);
  }

  return {
    untilCaughtUp,
    async untilRecovered(waitMsMax) {
      const before = traffic.acknowledged();
      await eventually(async () => {
        await allReady(platform);
        // Not what had happened before, but what is possible now.
        const { payments, readings } = traffic.acknowledged();
        assert.ok(payments > before.payments, 'no payment is acknowledged');
        assert.ok(readings > before.readings, 'no reading is acknowledged');
      }, waitMsMax);
      const readyMs = performance.now();
      await untilCaughtUp(waitMsMax);
      return readyMs;
    },
  };
}

async function allReady(platform: DrillPlatform): Promise<void> {
  for (const service of SERVICES) {
    const running = platform.pidsOf(service).length;
    assert.equal(running, instancesOf(service), `${running} processes of ${service} run`);
    const { status } = await get(`${platform.admin(service)}/health/ready`);
    assert.equal(status, 200, `${service} is not ready`);
  }
}

interface StoredCounts {
  readonly payments: number;
  readonly decisions: number;
  readonly readings: number;
}

async function storedCounts(platform: DrillPlatform): Promise<StoredCounts> {
  const [counts] = await select(
    platform,
    `SELECT (SELECT uniqExact(transaction_id) FROM millrace.payments) AS payments,
      (SELECT uniqExact(transaction_id) FROM millrace.decisions) AS decisions,
      (SELECT uniqExact(reading_id) FROM millrace.telemetry) AS readings`,
  );
  return counts;
}
