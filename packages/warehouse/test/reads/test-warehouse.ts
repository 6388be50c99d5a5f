import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { testStack } from '@millrace/local-stack';
import { createWarehouse, type TableName, type Warehouse } from '../../src/index.ts';

/** A migrated database of its own, dropped after the test. */
export async function testWarehouse(t: TestContext): Promise<Warehouse> {
  const silent = () => {};
  const warehouse = createWarehouse({
    url: testStack().clickhouseUrl,
    database: `test_${randomBytes(6).toString('hex')}`,
    logger: { debug: silent, info: silent, warn: silent },
  });
  t.after(async () => {
    await warehouse.query(`DROP DATABASE IF EXISTS ${warehouse.database}`);
    await warehouse.close();
  });
  await warehouse.migrate();
  return warehouse;
}

/** Inserts one block of rows of partition 0, with offsets from `offset` on. */
export async function insert(
  warehouse: Warehouse,
  table: TableName,
  offset: number,
  rows: readonly object[],
): Promise<void> {
  const position = { _topic: table, _partition: 0 };
  const lines = rows.map((row, index) => JSON.stringify({ ...position, _offset: offset + index, ...row }));
  await warehouse.insertRows(table, Buffer.from(lines.join('\n')));
}
