import { setTimeout as sleep } from 'node:timers/promises';
import awsLambdaFastify, { type LambdaResponse, type PromiseHandler } from '@fastify/aws-lambda';
import type { FastifyInstance } from 'fastify';
import type { Publisher } from '../publisher.ts';

/** After a failure the first request waits so long for Kafka to be back, since nothing runs while nobody asks. */
const READY_MS_MAX = 3_000;

/** What is looked at of an event: API Gateway's payload formats 1.0 and 2.0, function URLs (as 2.0), ALB target groups. */
interface HttpEvent {
  readonly rawPath?: string;
  readonly path?: string;
  readonly headers?: object | null;
  readonly multiValueHeaders?: object | null;
  readonly requestContext?: { readonly elb?: object };
}

export interface HttpHandlerOptions {
  readonly app: FastifyInstance;
  readonly publisher: Pick<Publisher, 'ready' | 'whenReady' | 'check'>;
}

/**
 * The HTTP app as a Lambda handler.
 *
 * Delivery: as over a socket. A 2xx is answered after Kafka has confirmed, so when the environment is frozen or ends,
 * nothing that was accepted is under way.
 */
export function createHttpHandler({ app, publisher }: HttpHandlerOptions) {
  // A target group with `lambda.multi_value_headers.enabled` sends its headers as lists only, and wants such back.
  const [answer, answerInLists] = [false, true].map((albMultiValueHeaders) =>
    // A comma in a query is a comma. The options are an object for each: the library writes into it.
    awsLambdaFastify(app, { decorateRequest: false, parseCommaSeparatedQueryParams: false, albMultiValueHeaders }),
  ) as [PromiseHandler, PromiseHandler];
  return async (event: HttpEvent, context: object): Promise<LambdaResponse> => {
    if ((event.rawPath ?? event.path ?? '').endsWith('/health/ready')) await publisher.check();
    if (!publisher.ready) await Promise.race([publisher.whenReady(), sleep(READY_MS_MAX)]);
    const isInLists = event.requestContext?.elb !== undefined && event.multiValueHeaders != null;
    return (isInLists ? answerInLists : answer)(event, context as never) as Promise<LambdaResponse>;
  };
}
