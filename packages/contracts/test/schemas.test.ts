import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  allTopics,
  createTopics,
  jsonSchemas,
  type SchemaName,
  samples,
  schemas,
  wireSamples,
} from '@millrace/contracts';
import { Ajv2020 } from 'ajv/dist/2020.js';

const sampleOf: Record<SchemaName, object> = {
  'payment.v1': samples.payment,
  'telemetry.v1': samples.telemetry,
  'label.v1': samples.label,
  'customer-source.v1': samples.customerSource,
  'merchant.v1': samples.merchant,
  'device.v1': samples.device,
  'profile.v1': samples.profile,
  'enriched-payment.v1': samples.enrichedPayment,
  'enriched-telemetry.v1': samples.enrichedTelemetry,
  'payment-features.v1': samples.paymentFeatures,
  'decision.v1': samples.decision,
  'alert.v1': samples.alert,
  'rule.v1': samples.rule,
  'case.v1': samples.fraudCase,
  'dead-letter.v1': samples.deadLetter,
  'redrive.v1': samples.redrive,
  'batch-progress.v1': samples.batchProgress,
};
const published: Record<string, object> = jsonSchemas();
const allSamples: Record<string, object> = {
  ...sampleOf,
  'payment.wire.v1': wireSamples.payment,
  'telemetry.wire.v1': wireSamples.telemetry,
  'label.wire.v1': wireSamples.label,
  'customer-source.wire.v1': wireSamples.customerSource,
  'merchant.wire.v1': wireSamples.merchant,
  'device.wire.v1': wireSamples.device,
};

// Another implementation of JSON Schema; `strict` also refuses keywords it does not know. The formats are TypeBox's
// to check, and allowed here; `strictRequired` and `strictTypes` are about style.
const ajv = new Ajv2020({
  strict: true,
  strictRequired: false,
  strictTypes: false,
  formats: { ipv4: true, ipv6: true },
});

test('every published schema has a sample and the other way round', () => {
  assert.deepEqual(Object.keys(allSamples).sort(), Object.keys(published).sort());
});

for (const [name, schema] of Object.entries(published)) {
  test(`${name} is a valid JSON Schema by the meta schema, and its sample satisfies it`, () => {
    assert.equal(ajv.validateSchema(schema), true, ajv.errorsText(ajv.errors));
    const validate = ajv.compile(schema);
    assert.equal(validate(allSamples[name]), true, ajv.errorsText(validate.errors));
    assert.equal(validate({}), false);
    assert.equal(validate([]), false);
  });
}

test('a published schema stands alone: it is JSON, named and titled', () => {
  const schema = jsonSchemas()['payment.v1'];
  assert.deepEqual(JSON.parse(JSON.stringify(schema)), schema);
  assert.equal(schema.$id, 'urn:millrace:payment.v1');
  assert.equal(schema.title, 'payment.v1');
  assert.equal(schema.type, 'object');
});

test('every topic holds a published schema, and every schema has a topic', () => {
  const used = new Set(allTopics(createTopics()).map(({ schema }) => schema));
  assert.deepEqual([...used].sort(), Object.keys(schemas).sort());
});

test('every sample survives the way through its topic', () => {
  for (const topic of allTopics(createTopics())) {
    const sample = allSamples[topic.schema];
    assert.deepEqual(topic.decode(new TextEncoder().encode(topic.encode(sample))), sample, topic.name);
  }
});
