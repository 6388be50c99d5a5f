import { select, type Tables } from '@millrace/test-platform';
import { type Outcome, outcome } from './check.ts';

/** A window of the fraud detector by which many features are counted. */
interface Window {
  /** Which payments meet in it; '' is in none. */
  readonly key: string;
  /** In what order they came to it. */
  readonly order: 'payments' | 'by_merchant';
  /** The store forgets the oldest beyond this: a key with more is left out. */
  readonly eventsMax: number;
  /** By feature: how it comes from the payments of the window, with their age in ms before the one that is decided. */
  readonly features: Readonly<Record<string, string>>;
  /** Whether there is somebody to look at on any day. */
  readonly always: boolean;
}

const MINUTES_10 = 600_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;

/** What README.md of packages/rules says of these features, in SQL. */
const WINDOWS: readonly Window[] = [
  {
    key: `multiIf(card_id != '', card_id, account_id != '', account_id, customer_id)`,
    order: 'payments',
    eventsMax: 300,
    always: true,
    features: {
      card_count_10m: `countIf(age < ${MINUTES_10})`,
      card_count_1h: `countIf(age < ${HOUR})`,
      card_count_24h: `countIf(age < ${DAY})`,
      card_declined_10m: `countIf(age < ${MINUTES_10} AND status = 'declined')`,
      card_merchants_1h: `uniqExactIf(counterparty, age < ${HOUR})`,
    },
  },
  {
    key: 'customer_id',
    order: 'payments',
    eventsMax: 500,
    always: true,
    features: { customer_count_24h: `countIf(age < ${DAY} AND status IN ('', 'authorised'))` },
  },
  {
    key: 'merchant_id',
    order: 'by_merchant',
    eventsMax: 2_000,
    always: true,
    features: { merchant_count_1h: `countIf(age < ${HOUR})` },
  },
  {
    key: 'terminal_id',
    order: 'by_merchant',
    eventsMax: 500,
    always: true,
    features: { terminal_count_10m: `countIf(age < ${MINUTES_10})` },
  },
  {
    key: 'payee_id',
    order: 'by_merchant',
    eventsMax: 500,
    // Transfers are rent, bills and salaries, which have their days of the month.
    always: false,
    features: { payee_senders_24h: `uniqExactIf(customer_id, age < ${DAY})` },
  },
];

/** Pairs of payments that one statement compares; with more of them, a share of the keys stands for all. */
const PAIRS_MAX = 20_000_000;
const INSERT_ROWS = 10_000;

/** Where a payment lies in the topic between the two stages, in whose order the second one counts. */
export interface Place {
  readonly id: string;
  readonly partition: number;
  readonly offset: number;
}

/**
 * The features of the decisions against the same counts in SQL over the payments: a join of every payment with those
 * that came to its window before. A window that lost an event in a fault, or has it twice, counts wrong from then on.
 *
 * @param byMerchant the committed records of `payments.by-merchant`
 */
export async function checkWindows(tables: Tables, byMerchant: readonly Place[]): Promise<Outcome[]> {
  await tellOrder(tables, byMerchant);
  const outcomes: Outcome[] = [];
  for (const window of WINDOWS) outcomes.push(...(await checkWindow(tables, window)));
  return outcomes;
}

async function tellOrder(tables: Tables, places: readonly Place[]): Promise<void> {
  await select(tables, 'DROP TABLE IF EXISTS faults_by_merchant');
  await select(
    tables,
    'CREATE TABLE faults_by_merchant (id String, partition UInt32, offset UInt64) ENGINE = MergeTree ORDER BY id',
  );
  for (let from = 0; from < places.length; from += INSERT_ROWS) {
    const rows = places.slice(from, from + INSERT_ROWS).map((place) => JSON.stringify(place));
    await select(tables, `INSERT INTO faults_by_merchant FORMAT JSONEachRow\n${rows.join('\n')}`);
  }
}

async function checkWindow(tables: Tables, window: Window): Promise<Outcome[]> {
  const source = sourceOf(window);
  const [size] = await select(
    tables,
    `SELECT sum(n * n) AS pairs FROM (SELECT count() AS n FROM (${source}) GROUP BY k HAVING n <= ${window.eventsMax})`,
  );
  const share = Math.max(1, Math.ceil(size.pairs / PAIRS_MAX));
  const names = Object.keys(window.features);
  const [row] = await select(tables, comparison(window, source, share));
  return names.map((name) => {
    const wrong: number = row[`${name}_wrong`];
    const problems = wrong === 0 ? [] : [`${wrong} decisions count otherwise: ${row[`${name}_examples`].join(', ')}`];
    const check = `${name} as SQL counts it`;
    return window.always ? outcome(check, row.compared, problems) : { check, compared: row.compared, problems };
  });
}

/** Every payment with its key and its place in the order. */
function sourceOf({ key, order }: Window): string {
  const columns = `transaction_id AS id, ${key} AS k, event_time, status, customer_id,
    if(merchant_id != '', merchant_id, payee_id) AS counterparty`;
  const from =
    order === 'payments'
      ? `SELECT ${columns}, _partition AS part, _offset AS place FROM payments`
      : `SELECT ${columns}, places.partition AS part, places.offset AS place
         FROM payments AS p INNER JOIN faults_by_merchant AS places ON places.id = p.transaction_id`;
  return `SELECT * FROM (${from}) WHERE k != ''`;
}

function comparison({ features, eventsMax }: Window, source: string, share: number): string {
  const names = Object.keys(features);
  const expected = Object.entries(features).map(([name, sql]) => `${sql} AS expected_${name}`);
  const verdicts = names.flatMap((name) => {
    const differs = `expected_${name} != features['${name}']`;
    const example = `concat(id, ': ', toString(features['${name}']), ' instead of ', toString(expected_${name}))`;
    return [`countIf(${differs}) AS ${name}_wrong`, `groupArrayIf(5)(${example}, ${differs}) AS ${name}_examples`];
  });
  // Within the limit of its store, and of the share that is looked at.
  const keys = `SELECT k FROM (${source}) GROUP BY k HAVING count() <= ${eventsMax} AND cityHash64(k) % ${share} = 0`;
  return `WITH chosen AS (SELECT * FROM (${source}) WHERE k IN (${keys}))
    SELECT count() AS compared, ${verdicts.join(', ')} FROM (
      SELECT id, ${expected.join(', ')}
      FROM (
        SELECT this.id AS id, other.status AS status, other.customer_id AS customer_id,
          other.counterparty AS counterparty,
          toUnixTimestamp64Milli(this.event_time) - toUnixTimestamp64Milli(other.event_time) AS age
        FROM chosen AS this INNER JOIN chosen AS other ON this.part = other.part AND this.k = other.k
        WHERE other.place <= this.place AND other.event_time <= this.event_time
      )
      GROUP BY id
    ) AS counted INNER JOIN (SELECT transaction_id, features FROM decisions) AS decided
      ON decided.transaction_id = counted.id`;
}
