import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCountry } from '@millrace/contracts';

test('countries are ISO 3166-1 alpha-2 codes in capitals, with XK', () => {
  for (const code of ['PT', 'DE', 'US', 'SS', 'CW', 'GB', 'XK']) assert.equal(isCountry(code), true, code);
  for (const code of ['pt', 'UK', 'EU', 'AN', 'ZZ', 'PRT', '', 'constructor'])
    assert.equal(isCountry(code), false, code);
});
