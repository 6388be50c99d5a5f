import assert from 'node:assert/strict';
import { test } from 'node:test';
import kafkajs from 'kafkajs';
import { toKafkaError } from '../src/errors.ts';

const { KafkaJSConnectionError, KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded, KafkaJSProtocolError } =
  kafkajs;
const refused = new KafkaJSConnectionError('Connection error: connect ECONNREFUSED 127.0.0.1:9092');

test('no broker is something that passes, however often kafkajs has wrapped it', () => {
  const givenUp = wrapped(KafkaJSNumberOfRetriesExceeded, refused);
  // What a retrier makes of an error of a retrier within it: of what that one said, only the cause is left.
  const givenUpTwice = wrapped(KafkaJSNonRetriableError, refused);
  for (const error of [refused, givenUp, givenUpTwice, wrapped(KafkaJSNonRetriableError, givenUp)]) {
    const { code, retriable, message } = toKafkaError(error, 'commit');
    assert.deepEqual([code, retriable], ['unavailable', true], error.name);
    assert.match(message, /^commit: .*ECONNREFUSED/);
  }
});

test('what the broker has answered counts more than what was made of it', () => {
  const answer = Object.assign(new KafkaJSProtocolError(new Error('x')), { type: 'ILLEGAL_GENERATION' });
  const { code, retriable } = toKafkaError(wrapped(KafkaJSNumberOfRetriesExceeded, answer), 'commit');
  assert.deepEqual([code, retriable], ['fenced', false]);
});

test('an error that says nothing of an outside does not pass by waiting', () => {
  const { code, retriable } = toKafkaError(new KafkaJSNonRetriableError('wrong argument'), 'commit');
  assert.deepEqual([code, retriable], ['protocol', false]);
  assert.equal(toKafkaError(new TypeError('x is not a function'), 'commit').retriable, false);
});

/** As kafkajs wraps: its types do not tell of the `cause`. */
function wrapped(Wrapper: unknown, cause: Error): Error {
  return Object.assign(Reflect.construct(Wrapper as typeof Error, [cause.message, {}]), { cause });
}
