import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Link } from '../platform.ts';
import type { Stalled, TcpProxy } from '../tcp-proxy.ts';
import { between, type Fault, pick } from './fault.ts';

const CUTS = 4;
const CUT_EVERY_MS = { from: 300, to: 2_500 };
/** Longer than a group waits for a member, shorter than a client waits for most answers. */
const STALL_MS = { from: 8_000, to: 12_000 };
const SLOW_MS = 10_000;
const SLOW = { latencyMs: { from: 20, to: 150 }, bytesPerSecond: { from: 100_000, to: 1_000_000 } };

/** Every connection of a link ends, again and again. */
export function cut(link: Link): Fault {
  return {
    kind: 'connections',
    says: `connections to ${link} are cut ${CUTS} times`,
    async inflict({ platform, random }) {
      const proxy = platform.links[link];
      await used(proxy, link, async () => {
        for (let i = 0; i < CUTS; i += 1) {
          await sleep(between(CUT_EVERY_MS.from, CUT_EVERY_MS.to, random));
          proxy.cut(pick(['reset', 'end'], random));
        }
      });
    },
  };
}

/** Connections stay open, and nothing gets through. In the end all of it arrives, or the connections break. */
export function stall(link: Link, stalled: Stalled): Fault {
  return {
    kind: 'connections',
    says: `${stalled === 'both' ? 'connections to' : 'answers of'} ${link} are stalled`,
    async inflict({ platform, random }) {
      const proxy = platform.links[link];
      await used(proxy, link, async () => {
        proxy.stall(stalled);
        try {
          await sleep(between(STALL_MS.from, STALL_MS.to, random));
          if (random() < 0.5) proxy.cut('reset');
        } finally {
          proxy.flow();
        }
      });
    },
  };
}

export function slow(link: Link): Fault {
  return {
    kind: 'connections',
    says: `connections to ${link} are slow`,
    async inflict({ platform, random }) {
      const proxy = platform.links[link];
      await used(proxy, link, async () => {
        const { latencyMs, bytesPerSecond } = SLOW;
        proxy.slow({
          latencyMs: between(latencyMs.from, latencyMs.to, random),
          bytesPerSecond: between(bytesPerSecond.from, bytesPerSecond.to, random),
        });
        try {
          await sleep(SLOW_MS);
        } finally {
          proxy.flow();
        }
      });
    },
  };
}

/** A fault of a line to which nothing comes from either side would prove nothing. */
async function used(proxy: TcpProxy, link: Link, inflict: () => Promise<void>): Promise<void> {
  const before = proxy.bytes;
  await inflict();
  assert.ok(proxy.bytes > before, `nothing was on its way to or from ${link} meanwhile`);
}
