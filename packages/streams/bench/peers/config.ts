/** What the harness of the peers gives an engine, as its README says. */
export interface EngineConfig {
  readonly job: 'w1' | 'w2';
  readonly inTopic: string;
  readonly outTopic: string;
  /** Consumer group and application id. */
  readonly group: string;
  readonly bootstrap: readonly string[];
  /** Thresholds of W1: what a window needs to be written. */
  readonly countMin: number;
  readonly sumMin: number;
}

export function readEngineConfig(env: NodeJS.ProcessEnv = process.env): EngineConfig {
  const required = (name: string): string => {
    const value = env[name];
    if (value === undefined || value === '') throw new Error(`${name} is missing: this is started by harness.py`);
    return value;
  };
  const job = required('JOB');
  if (job !== 'w1' && job !== 'w2') throw new Error(`JOB is ${job}; it is w1 or w2`);
  return {
    job,
    inTopic: required('IN_TOPIC'),
    outTopic: required('OUT_TOPIC'),
    group: required('GROUP'),
    bootstrap: required('BOOTSTRAP').split(','),
    countMin: Number(required('COUNT_MIN')),
    sumMin: Number(required('SUM_MIN')),
  };
}
