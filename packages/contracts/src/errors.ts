/** What is wrong with one field. `field` is a path such as `attributes.colour`; '' is the event itself. */
export interface Problem {
  readonly field: string;
  readonly code: ProblemCode;
  /** A sentence with the remedy. Never contains a card number, nor a value longer than `ECHO_LENGTH_MAX`. */
  readonly message: string;
}

export type ProblemCode =
  | 'required' // missing
  | 'wrong-type' // another JSON type is needed
  | 'malformed' // right type, wrong form
  | 'out-of-range' // right form, outside its limits
  | 'unknown-value' // not one of a closed list (currency, country, channel, ...)
  | 'in-the-future' // later than now + FUTURE_MAX_MS
  | 'too-old' // older than maxAgeMs
  | 'too-many' // attributes, metrics, fields or their bytes
  | 'conflict' // two fields that exclude or repeat each other
  | 'forbidden-name'; // a name that would be dangerous or misleading as a key

export type ContractErrorCode =
  | 'empty' // a record without a value where none may be empty
  | 'malformed-utf8'
  | 'malformed-json'
  | 'schema' // a record in a topic that is not what its schema says
  | 'wire'; // an event from outside that was refused

/** A value that breaks its contract. Never retriable: the same bytes fail again. */
export class ContractError extends Error {
  override readonly name: string = 'ContractError';
  readonly code: ContractErrorCode;
  /** Path of the (first) field at fault; '' when it is the whole value. */
  readonly field: string;
  readonly retriable = false;

  constructor(code: ContractErrorCode, field: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.field = field;
  }
}

/** An event from outside that was refused, with everything that is wrong with it. */
export class WireError extends ContractError {
  override readonly name = 'WireError';
  readonly problems: readonly Problem[];

  constructor(event: string, problems: readonly Problem[]) {
    super('wire', problems[0]?.field ?? '', describe(event, problems));
    this.problems = problems;
  }
}

function describe(event: string, problems: readonly Problem[]): string {
  const list = problems.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`));
  return `${event} refused: ${list.join('; ')}`;
}
