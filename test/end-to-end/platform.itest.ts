// The whole platform, started as `npm start` does and used from outside, as its users do. It is started once for all
// stories: each keeps to customers, cards, merchants and devices of its own.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { freePortBase, startPlatform } from '@millrace/test-platform';
import { authorisationStories } from './stories/authorisation.ts';
import { badInputStories } from './stories/bad-input.ts';
import { customerStories } from './stories/customers.ts';
import { deadLetterStories } from './stories/dead-letters.ts';
import { deviceStories } from './stories/devices.ts';
import { killDrillStories } from './stories/kill-drill.ts';
import { lifeCycleStories } from './stories/life-cycle.ts';
import { paymentStories } from './stories/payments.ts';
import { poisonStories } from './stories/poison.ts';

const dataDir = await mkdtemp(join(tmpdir(), 'millrace-end-to-end-'));
const platform = await startPlatform({ dataDir, portBase: await freePortBase() });
after(async () => {
  await platform.group.close();
  await rm(dataDir, { recursive: true, force: true });
});

paymentStories(platform);
authorisationStories(platform);
deviceStories(platform);
customerStories(platform);
badInputStories(platform);
poisonStories(platform);
deadLetterStories(platform);
killDrillStories(platform);
lifeCycleStories(platform);
