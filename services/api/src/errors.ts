export type ApiErrorCode = 'feed-unavailable' | 'too-many-clients' | 'ingest-unavailable' | 'closed';

/** The one error of this service's own code. All of its codes may go away by trying again. */
export class ApiError extends Error {
  readonly code: ApiErrorCode;
  readonly retriable = true;

  constructor(code: ApiErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ApiError';
    this.code = code;
  }
}
