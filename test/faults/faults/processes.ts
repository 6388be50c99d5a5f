import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, type Service } from '@millrace/test-platform';
import { type DrillPlatform, instancesOf } from '../platform.ts';
import { between, type Fault, pick } from './fault.ts';

/** A kill comes at any moment within this time. */
const MOMENT_MS_MAX = 2_000;
/** Groups give a member up after 6 s. */
const FROZEN_MS_MIN = 9_000;
const FROZEN_MS_MAX = 13_000;
/** Within this time others have taken over what the frozen one had, and caught up. */
const TAKEOVER_MS_MAX = 180_000;

/** kill -9 of one process of a service; the supervisor starts another one. */
export function killService(service: Service): Fault {
  return {
    kind: 'kill',
    says: `one process of ${service} is killed`,
    async inflict({ platform, random }) {
      await sleep(between(0, MOMENT_MS_MAX, random));
      const pid = await onePidOf(platform, service, random);
      process.kill(pid, 'SIGKILL');
      platform.killed.push(service);
      await eventually(() => {
        const pids = platform.pidsOf(service);
        assert.ok(!pids.includes(pid) && pids.length === instancesOf(service), `${service} is not restarted`);
      });
    },
  };
}

/**
 * SIGSTOP until the group has given the process up, then SIGCONT: what it was about to write is not wanted any more. If
 * there is another process of the service, the freeze lasts until that one has done the frozen one's work.
 */
export function freezeService(service: Service): Fault {
  return {
    kind: 'freeze',
    says: `one process of ${service} is frozen past its session, and goes on`,
    async inflict({ platform, progress, random }) {
      const pid = await onePidOf(platform, service, random);
      process.kill(pid, 'SIGSTOP');
      try {
        await sleep(between(FROZEN_MS_MIN, FROZEN_MS_MAX, random));
        if (instancesOf(service) > 1) await progress.untilCaughtUp(TAKEOVER_MS_MAX);
      } finally {
        goOn(pid);
      }
    },
  };
}

/** There is one, but perhaps not right now: it may be between two lives. */
function onePidOf(platform: DrillPlatform, service: Service, random: () => number): Promise<number> {
  return eventually(() => {
    const pids = platform.pidsOf(service);
    assert.ok(pids.length > 0, `${service} does not run`);
    return pick(pids, random);
  });
}

function goOn(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch (error) {
    // Another fault of the same round has killed it.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
