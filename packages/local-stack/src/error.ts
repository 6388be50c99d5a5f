/**
 * What can stop a local stack from running. The message always ends with the remedy, because the person who reads it
 * has just typed `npm start`.
 */
export class LocalStackError extends Error {
  readonly code: LocalStackErrorCode;
  /** True when the same attempt may succeed later without anybody changing anything. */
  readonly retriable: boolean;

  constructor(code: LocalStackErrorCode, message: string, options: { cause?: unknown; retriable?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.name = 'LocalStackError';
    this.code = code;
    this.retriable = options.retriable ?? false;
  }
}

export type LocalStackErrorCode =
  | 'bad-flag'
  | 'data-folder-in-use'
  | 'disk-too-small'
  | 'download-failed'
  | 'java-missing'
  | 'java-too-old'
  | 'maven-missing'
  | 'no-test-stack'
  | 'part-failed'
  | 'port-taken'
  | 'start-timeout';
