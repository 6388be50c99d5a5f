import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { currencyExponent } from '@millrace/contracts';
import fc from 'fast-check';
import { fingerprint, hashId } from '../src/hash.ts';
import { FEATURES, featureTable } from '../src/index.ts';
import { distanceKm, packPlace, unpackPlace } from '../src/place.ts';
import { MINOR_UNITS_PER_EURO, referenceCents } from '../src/reference-amount.ts';

const LISBON = { latitude: 38.7223, longitude: -9.1393 };

test('distances are those of the great circle', () => {
  const near = (km: number, expected: number) =>
    assert.ok(Math.abs(km - expected) < expected * 0.005, `${km} is not ${expected}`);
  // Published great-circle distances; the sphere is up to 0.5 % off the ellipsoid.
  near(distanceKm(LISBON, { latitude: 52.2297, longitude: 21.0122 }), 2_760);
  near(distanceKm({ latitude: 40.6413, longitude: -73.7781 }, { latitude: 51.47, longitude: -0.4543 }), 5_540);
  near(distanceKm({ latitude: 0, longitude: 179.5 }, { latitude: 0, longitude: -179.5 }), 111.2);
  near(distanceKm({ latitude: 0, longitude: 0 }, { latitude: 0, longitude: 180 }), 20_015);
  assert.equal(distanceKm(LISBON, LISBON), 0);
});

test('a packed place is the place to within 8 m', () => {
  const degrees = (max: number) => fc.double({ min: -max, max, noNaN: true });
  const property = fc.property(degrees(90), degrees(180), (latitude, longitude) => {
    const packed = packPlace({ latitude, longitude });
    assert.ok(Number.isSafeInteger(packed));
    assert.ok(distanceKm(unpackPlace(packed), { latitude, longitude }) < 0.008);
  });
  fc.assert(property, { seed: 1, numRuns: 500 });
});

test('an amount is the same in euro cents whatever the exponent of its currency', () => {
  assert.equal(referenceCents(1_250, 'EUR'), 1_250);
  assert.equal(referenceCents(1_700, 'JPY'), 1_000);
  assert.equal(referenceCents(3_550, 'KWD'), 1_000);
  assert.equal(referenceCents(1_000, 'XAU'), undefined);
  assert.equal(referenceCents(1_000, 'toString'), undefined);
});

test('every reference rate is that of a currency', () => {
  assert.deepEqual(
    Object.keys(MINOR_UNITS_PER_EURO).filter((code) => currencyExponent(code) === undefined),
    [],
  );
});

test('hashes are stable and fit into a number', () => {
  assert.equal(fingerprint(''), '6c62272e811c9dc5');
  assert.ok(Number.isSafeInteger(hashId('card-1')));
  const ids = Array.from({ length: 100_000 }, (_, n) => `card-${n}`);
  assert.equal(new Set(ids.map(hashId)).size, ids.length);
  assert.equal(new Set(ids.map(fingerprint)).size, ids.length);
});

test('the README has the table of features as it is', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  for (const [name, { stage, window, unit, meaning }] of Object.entries(FEATURES)) {
    assert.ok(
      readme.includes(`| \`${name}\` | ${stage} | ${window} | ${unit} | ${meaning} |`),
      `${name} is missing or has changed`,
    );
  }
  assert.equal(featureTable().split('\n').length, Object.keys(FEATURES).length + 2);
});
