export type SimulatorErrorCode =
  | 'usage' // a flag, a file or its columns: the message says what is needed
  | 'not-running' // the stack does not answer
  | 'refused' // ingest or the API refuse a request as a whole: a key is missing, a route is not there
  | 'not-settled' // the pipeline stood still before everything was through
  | 'aborted'; // the caller asked to stop

/** The one error of this package; only an outage that is waited out inside is retriable, so none that gets here is. */
export class SimulatorError extends Error {
  override readonly name = 'SimulatorError';
  readonly code: SimulatorErrorCode;
  readonly retriable = false;

  constructor(code: SimulatorErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
