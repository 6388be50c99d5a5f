import { SERVICES, type Service } from '@millrace/test-platform';
import { examples, type Outcome, outcome } from './check.ts';

/** Resident memory that no process of a service may reach, in MiB: about twice what a drill of ten minutes takes. */
export const RSS_MIB_MAX: Readonly<Record<Service, number>> = {
  ingest: 350,
  enricher: 400,
  'fraud-detector': 400,
  sink: 350,
  api: 350,
};

/** @param peaks the largest resident memory of any process of a service, in MiB */
export function checkMemory(peaks: ReadonlyMap<Service, number>): Outcome {
  const over = SERVICES.flatMap((service) => {
    const peak = peaks.get(service);
    if (peak === undefined) return [`${service}, which was never seen`];
    return peak > RSS_MIB_MAX[service] ? [`${service} with ${peak} MiB, and it may have ${RSS_MIB_MAX[service]}`] : [];
  });
  return outcome('memory of each service is bounded', peaks.size, examples('services took too much', over));
}

/**
 * Processes end when they are killed, and never by themselves: what they need may be away, but then they wait for it.
 *
 * @param output of the supervisor, which names every end
 * @param killed one entry for each kill by the drill
 */
export function checkDeaths(output: string, killed: readonly Service[]): Outcome {
  const deaths = Array.from(output.matchAll(/^ {2}(\S+) died \((.*)\), restarting in /gm), ([, part = '', reason]) => ({
    service: part.replace(/-\d+$/, ''),
    reason,
  }));
  const own = deaths.filter(({ reason }) => reason !== 'signal SIGKILL');
  const problems = examples(
    'processes ended by themselves',
    own.map(({ service, reason }) => `${service} (${reason})`),
  );
  for (const service of SERVICES) {
    const seen = deaths.filter((death) => death.service === service && death.reason === 'signal SIGKILL').length;
    const wanted = killed.filter((name) => name === service).length;
    if (seen !== wanted) problems.push(`${service} was killed ${wanted} times, and the supervisor saw ${seen}`);
  }
  return { check: 'processes end only when they are killed', compared: deaths.length, problems };
}
