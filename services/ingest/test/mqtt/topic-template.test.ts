import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matchTopic, overlap, parseTopicTemplate, type TopicTemplate } from '../../src/mqtt/topic-template.ts';

function template(text: string): TopicTemplate {
  const parsed = parseTopicTemplate(text);
  assert.ok('filter' in parsed, 'fault' in parsed ? parsed.fault : '');
  return parsed;
}
const match = (text: string, topic: string) => matchTopic(template(text), topic.split('/'));

test('a template gives the named levels of its topics, and none of any other topic', () => {
  assert.deepEqual(match('{site}/{device_id}/up', 'Lisbon 2/d-1/up'), { site: 'Lisbon 2', device_id: 'd-1' });
  assert.deepEqual(match('{device_id}', 'd-1'), { device_id: 'd-1' });
  assert.deepEqual(match('/a//{device_id}', '/a//d-1'), { device_id: 'd-1' });
  for (const topic of ['s/d-1/down', 's/d-1', 's/d-1/up/', '/d-1/up', 's//up', '$SYS/d-1/up', 's/d-1/UP', '']) {
    assert.equal(match('{site}/{device_id}/up', topic), undefined, topic);
  }
});

test('as a subscription a named level is a plus sign', () => {
  assert.equal(template('v3/{application}/devices/{device_id}/up').filter, 'v3/+/devices/+/up');
});

test('a text that is no template is refused with what is wrong and the remedy', () => {
  const fault = (text: string) => {
    const parsed = parseTopicTemplate(text);
    return 'fault' in parsed ? parsed.fault : 'none';
  };
  assert.match(fault('devices/+/{device_id}'), /write \{a_name\}/);
  assert.match(fault('devices/{device_id}/#'), /write \{a_name\}/);
  assert.match(fault('$share/g/{device_id}'), /belongs to the broker/);
  assert.match(fault('devices/all'), /has no \{device_id\}/);
  assert.match(fault('{device_id}/{device_id}'), /twice/);
  assert.match(fault('{site}/{site}/{device_id}'), /twice/);
  assert.match(fault('site-{site}/{device_id}'), /a name takes a whole level/);
  assert.match(fault('{Site}/{device_id}'), /names are a-z/);
  assert.match(fault('{}/{device_id}'), /names are a-z/);
  assert.match(fault('{firmware}/{device_id}'), /is a field of telemetry\.v1/);
  assert.match(fault(`{device_id}/${'x'.repeat(1_024)}`), /longer than 1024/);
});

/** Few literals, so that levels often meet. */
const word = fc.constantFrom('a', 'b', 'up', '');
const levels = fc.array(fc.oneof(word, fc.constant(undefined)), { minLength: 1, maxLength: 4 });
/** A template from its levels; `undefined` is a named one, and the first of them the device. */
const toTemplate = (parts: readonly (string | undefined)[], at: number) => {
  const all = parts.with(at % parts.length, undefined);
  let names = 0;
  return all.map((part) => part ?? (names++ === 0 ? '{device_id}' : `{n${names}}`)).join('/');
};

test('a template matches exactly what its levels say one by one', () => {
  fc.assert(
    fc.property(levels, fc.nat(), fc.array(word, { minLength: 1, maxLength: 4 }), (parts, at, topic) => {
      const text = toTemplate(parts, at);
      const wanted = text.split('/');
      // Brute force: as many levels, each named one not empty, each other one the same text.
      const matches =
        wanted.length === topic.length &&
        topic.every((level, index) => (wanted[index]?.startsWith('{') ? level !== '' : level === wanted[index]));
      const found = matchTopic(template(text), topic);
      assert.equal(found !== undefined, matches);
      for (const [name, value] of Object.entries(found ?? {})) assert.equal(topic[wanted.indexOf(`{${name}}`)], value);
    }),
  );
});

test('templates overlap when, and only when, there is a topic of both', () => {
  const topics = ['a', 'b', 'up', 'x']
    .flatMap((one) => [[one], ...['a', 'b', 'up', 'x'].map((two) => [one, two])])
    .flatMap((short) => [short, ...['a', 'b', 'up', 'x'].map((more) => [...short, more])]);
  const filled = fc.array(fc.constantFrom('a', 'b', 'up', undefined), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(filled, fc.nat(), filled, fc.nat(), (one, oneAt, two, twoAt) => {
      const [a, b] = [template(toTemplate(one, oneAt)), template(toTemplate(two, twoAt))];
      const both = topics.some((topic) => matchTopic(a, topic) !== undefined && matchTopic(b, topic) !== undefined);
      assert.equal(overlap(a, b), both);
      assert.equal(overlap(b, a), both);
    }),
  );
});
