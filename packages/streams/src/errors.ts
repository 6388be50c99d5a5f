export type StreamsErrorCode =
  | 'invalid-topology' // the programmer's: mend the topology
  | 'co-partitioning' // inputs of one processor differ in their number of partitions
  | 'store-full' // a store has reached its named limit
  | 'record-too-large' // a record is over the size limit of its topic
  | 'changelog-corrupt' // a store cannot be rebuilt from its changelog
  | 'processor-failed' // a processor with `onError: 'stop'` threw, or any in `onStreamTime`
  | 'still-running' // what needs a stopped application was asked of one that runs
  | 'not-found' // there is no such topic, record or key
  | 'undecodable' // a record is not what its topic says
  | 'invalid-event' // Lambda was called with something else than an event of Kafka
  | 'closed';

/** The one error of this package; code switches on `code`. */
export class StreamsError extends Error {
  readonly code: StreamsErrorCode;
  readonly retriable = false;

  constructor(code: StreamsErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'StreamsError';
    this.code = code;
  }
}
