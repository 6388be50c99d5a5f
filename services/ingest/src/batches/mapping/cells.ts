/** Reads one column of a row. Undefined: it is empty. */
export type ReadCell = (row: unknown) => unknown;

export interface Cells {
  /** Undefined when the file has no such column. */
  readonly columnOf: (name: string) => ReadCell | undefined;
  /** Undefined where each row has names of its own. */
  readonly columns: readonly string[] | undefined;
  /** The row as an object, without what is empty. */
  readonly toObject: (row: unknown) => Record<string, unknown>;
}

/** Access to the cells of a file, by the names of its columns. */
export function createCells(columns: readonly string[] | undefined, empty: readonly string[] = []): Cells {
  const emptyTexts = new Set(['', ...empty]);
  const filled = (cell: unknown): unknown => {
    if (typeof cell !== 'string') return cell === null ? undefined : cell;
    const text = cell.trim();
    return emptyTexts.has(text) ? undefined : text;
  };
  if (columns === undefined) {
    return {
      columns,
      columnOf: (name) => {
        const path = name.split('.');
        // A name with a dot in it is looked for as it is, too.
        return (row) => filled(at(row, [name]) ?? at(row, path));
      },
      toObject: (row) => (isObject(row) ? row : {}),
    };
  }
  const positions = new Map(columns.map((name, index) => [name, index]));
  return {
    columns,
    columnOf(name) {
      const index = positions.get(name);
      return index === undefined ? undefined : (row) => filled((row as readonly unknown[])[index]);
    },
    toObject(row) {
      const cells = row as readonly unknown[];
      const object: Record<string, unknown> = {};
      columns.forEach((name, index) => {
        const cell = filled(cells[index]);
        if (cell !== undefined) put(object, name, cell);
      });
      return object;
    },
  };
}

/** Also for a name such as `__proto__`, which the check of the event is to see and refuse. */
export function put(object: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });
}

function at(row: unknown, path: readonly string[]): unknown {
  let value = row;
  for (const name of path) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
