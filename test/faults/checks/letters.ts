import { select, type Tables } from '@millrace/test-platform';
import { examples, type Outcome } from './check.ts';

/** What a sender has spoilt on purpose comes over MQTT, which cannot say no. Nothing else may be put aside. */
export async function checkLetters(tables: Tables): Promise<Outcome> {
  const rows = await select(
    tables,
    `SELECT origin.kind AS origin, stage, reason, count() AS letters, any(message) AS message
     FROM dead_letters GROUP BY origin, stage, reason`,
  );
  const unexpected = rows.filter(({ origin }) => origin !== 'mqtt');
  const letters = rows.reduce((sum, row) => sum + row.letters, 0);
  return {
    check: 'dead letters are of spoilt messages',
    compared: letters,
    problems: examples(
      'kinds of dead letters that nobody expected',
      unexpected.map((row) => JSON.stringify(row)),
    ),
  };
}
