export type ObservabilityErrorCode = 'invalid-config' | 'address-in-use' | 'listen-failed' | 'metric-mismatch';

/** The one error of this package. None of its codes goes away by trying again, so `retriable` is always false. */
export class ObservabilityError extends Error {
  readonly code: ObservabilityErrorCode;
  readonly retriable = false;

  constructor(code: ObservabilityErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ObservabilityError';
    this.code = code;
  }
}
