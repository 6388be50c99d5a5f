export type IngestErrorCode =
  | 'overloaded' // the publisher's queue is full: wait and send again
  | 'unavailable' // Kafka did not confirm: it may or may not have the events, so the same ids must be sent again
  | 'closed' // the service is stopping
  | 'routes-file' // the routes of MQTT cannot be used
  | 'taken-over' // another sender goes on with the same work
  | 'not-allowed' // a device asks for more than it may, or for what there is not
  | 'malformed-packet' // a device sends what is not MQTT 3.1.1
  | 'packet-size' // a device announces a packet that is over the limit
  | 'credentials-file' // a file of API keys or device credentials cannot be used
  | 'certificate-file'; // certificate or key of HTTP's TLS cannot be used

/** The one error of this service's own code; callers switch on `code`, and send again when `retriable`. */
export class IngestError extends Error {
  readonly code: IngestErrorCode;
  readonly retriable: boolean;

  constructor(code: IngestErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'IngestError';
    this.code = code;
    this.retriable = code === 'overloaded' || code === 'unavailable' || code === 'closed';
  }
}
