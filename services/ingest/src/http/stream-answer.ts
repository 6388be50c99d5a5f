import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { StreamResult } from './event-stream.ts';
import { problem, problemFor, sendProblem } from './problems.ts';

/** An NDJSON body, which the parser passes on unread. */
export function streamBody(request: FastifyRequest): Readable {
  return request.body as Readable;
}

/** Answers a stream that was read to its end with `status`, and one that was not with the problem that ended it. */
export function sendStreamResult(
  request: FastifyRequest,
  reply: FastifyReply,
  result: StreamResult,
  status: 200 | 202 | 207 | 422,
): FastifyReply {
  const counts = {
    received: result.received,
    accepted: result.accepted,
    rejected: result.rejected,
    problems: result.problems,
    problems_omitted: result.problemsOmitted,
    last_line_settled: result.lastLineSettled,
  };
  if (result.failure !== undefined) {
    // The rest of the body is not going to be read.
    reply.header('connection', 'close');
    return sendProblem(reply, { ...problemFor(result.failure, request), ...counts });
  }
  if (status === 422) {
    const detail = 'No line is a right event. Correct what `problems` names, and send them again.';
    return sendProblem(reply, problem(422, 'invalid-events', 'Invalid events', detail, counts));
  }
  return reply.code(status).send(counts);
}
