import { HttpProblem, problem } from './problems.ts';

/** NDJSON streams to the event routes that are read at the same time; each holds two chunks of events at most. */
export const EVENT_STREAMS_MAX = 128;

/** Runs `work` while fewer than `max` others are running. @throws {HttpProblem} 503 */
export type StreamSlots = <T>(work: () => Promise<T>) => Promise<T>;

export function createStreamSlots(max: number): StreamSlots {
  let taken = 0;
  return async (work) => {
    if (taken >= max) throw tooManyStreams(max);
    taken += 1;
    try {
      return await work();
    } finally {
      taken -= 1;
    }
  };
}

function tooManyStreams(max: number): HttpProblem {
  const detail = `${max} streams are being read already. Send this one again after Retry-After seconds.`;
  return new HttpProblem(problem(503, 'too-many-streams', 'Too many streams', detail));
}
