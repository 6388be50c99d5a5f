import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEnricher, MINUTE_MS, START_MS } from './enricher.ts';

const at = (minute: number) => START_MS + minute * MINUTE_MS;
const permutations = <T>(items: readonly T[]): T[][] =>
  items.length < 2
    ? [[...items]]
    : items.flatMap((item, n) => permutations(items.toSpliced(n, 1)).map((rest) => [item, ...rest]));

test('the profile has the newest value of each field, whatever order the sources arrive in', () => {
  const tellings = [
    ['crm', { name: 'Ana', country: 'PT', phone: '1' }, 1],
    ['kyc', { country: 'ES', verified: true }, 2],
    ['crm', { phone: '2' }, 3],
    ['accounts', { phone: null, currency: 'EUR' }, 4],
  ] as const;
  for (const order of permutations(tellings)) {
    const { tell, profiles } = createEnricher();
    for (const [source, fields, minute] of order) tell(source, fields, minute);
    assert.deepEqual(profiles().at(-1), {
      customer_id: 'c-1',
      updated_at: at(4),
      fields: {
        country: { value: 'ES', source: 'kyc', updated_at: at(2) },
        currency: { value: 'EUR', source: 'accounts', updated_at: at(4) },
        name: { value: 'Ana', source: 'crm', updated_at: at(1) },
        phone: { value: '2', source: 'crm', updated_at: at(3) },
        verified: { value: true, source: 'kyc', updated_at: at(2) },
      },
      sources: { accounts: at(4), crm: at(3), kyc: at(2) },
    });
  }
});

test('a field that a source takes back uncovers what another source knows', () => {
  const { tell, profiles } = createEnricher();
  tell('crm', { country: 'PT' }, 1);
  tell('kyc', { country: 'ES' }, 2);
  tell('kyc', { country: null }, 3);
  assert.deepEqual(
    profiles().map((profile) => profile?.fields.country?.value),
    ['PT', 'ES', 'PT'],
  );
});

test('equally new values of two sources: the source whose name comes first holds', () => {
  for (const order of permutations(['kyc', 'crm', 'accounts'] as const)) {
    const { tell, profiles } = createEnricher();
    for (const source of order) tell(source, { country: source }, 1);
    assert.deepEqual(profiles().at(-1)?.fields.country, { value: 'accounts', source: 'accounts', updated_at: at(1) });
  }
});

test('a tombstone takes back what the source said up to then, also when it arrives early or late', () => {
  const late = createEnricher();
  late.tell('crm', { name: 'Ana', phone: '1' }, 1);
  late.tell('crm', { phone: '2' }, 3);
  late.forget('crm', 2);
  assert.deepEqual(Object.keys(late.profiles().at(-1)?.fields ?? {}), ['phone']);

  const early = createEnricher();
  early.tell('crm', { phone: '2' }, 3);
  early.forget('crm', 2);
  early.tell('crm', { name: 'Ana', phone: '1' }, 1);
  assert.deepEqual(Object.keys(early.profiles().at(-1)?.fields ?? {}), ['phone']);
});

test('when the last source is gone the profile is gone, after a restore as well', () => {
  const { tell, forget, profiles, driver, pay, payments } = createEnricher();
  tell('crm', { name: 'Ana' }, 1);
  driver.restart();
  forget('crm', 2);
  assert.equal(profiles().at(-1), null);
  pay();
  assert.equal(payments()[0]?.profile, undefined);
});

test('what changes nothing is not told again', () => {
  const { tell, profiles } = createEnricher();
  tell('crm', { name: 'Ana' }, 1);
  tell('crm', { name: 'Ana' }, 1);
  assert.equal(profiles().length, 1);
});

test('a source that says more fields than fit is put aside, and what was known stays', () => {
  const { tell, profiles, driver } = createEnricher();
  const fields = (from: number) => Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`field-${from + n}`, n]));
  tell('crm', fields(0), 1);
  tell('crm', fields(40), 2);
  assert.deepEqual(
    driver.deadLetters().map(({ reason }) => reason),
    ['too-many-fields'],
  );
  assert.equal(Object.keys(profiles().at(-1)?.fields ?? {}).length, 40);
});

test('fields may be called like something that every object has', () => {
  const { tell, profiles } = createEnricher();
  tell('crm', { toString: 'a', valueOf: 'b' }, 1);
  assert.deepEqual(Object.keys(profiles()[0]?.fields ?? {}), ['toString', 'valueOf']);
});
