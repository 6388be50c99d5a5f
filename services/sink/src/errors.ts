export type SinkErrorCode =
  | 'topic-recreated' // ClickHouse holds offsets that the topic does not reach
  | 'refused-block' // ClickHouse refuses a block in which every record satisfies its contract
  | 'intent-unreadable'; // the group's metadata is not what a sink writes

/** A state in which going on would lose or repeat rows; the process ends with it. */
export class SinkError extends Error {
  readonly code: SinkErrorCode;
  readonly retriable = false;

  constructor(code: SinkErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'SinkError';
    this.code = code;
  }
}
