import jsonata from 'jsonata';
import type { LevelValues } from './topic-template.ts';

/** What an expression may look at beside the payload, which is its context (`$`). */
export interface MappingContext {
  readonly deviceId: string;
  /** `$topic`, with `device_id`. */
  readonly levels: LevelValues;
  /** `$received_at`, epoch ms. */
  readonly receivedAtMs: number;
}

/** Foreign JSON to the wire form of `telemetry.v1`, one or an array. Rejects with an `Error` that says what failed. */
export type Mapping = (payload: unknown, context: MappingContext) => Promise<unknown>;

/** Wall clock. An evaluation takes well under a millisecond; who needs this long is in a loop. */
export const MAPPING_MS_MAX = 500;
/** Nested evaluations, each a handful of frames on the stack of the process. */
export const MAPPING_DEPTH_MAX = 200;
/** Elements of any list that an expression makes on its way. */
export const MAPPING_LIST_MAX = 10_000;

/** Compiles a JSONata expression, or says where and why it is none. */
export function compileMapping(source: string): { readonly mapping: Mapping } | { readonly fault: string } {
  let expression: jsonata.Expression;
  try {
    expression = jsonata(source, { timeout: MAPPING_MS_MAX, stack: MAPPING_DEPTH_MAX, sequence: MAPPING_LIST_MAX });
  } catch (error) {
    return { fault: `is no JSONata expression: ${whereAndWhy(error, source)}; correct it (try.jsonata.org helps)` };
  }
  return {
    mapping: async (payload, { deviceId, levels, receivedAtMs }) => {
      try {
        const bindings = { topic: { ...levels, device_id: deviceId }, received_at: receivedAtMs };
        return await expression.evaluate(payload, bindings);
      } catch (error) {
        throw new Error(whereAndWhy(error, source), { cause: error });
      }
    },
  };
}

/** JSONata throws objects with a code, a message and a position; running out of stack is an error of the engine. */
function whereAndWhy(error: unknown, source: string): string {
  if (typeof error !== 'object' || error === null) return String(error);
  const { message = 'it failed', code, position } = error as { message?: string; code?: string; position?: number };
  const where = typeof position === 'number' ? ` at ${lineAndColumn(source, position)}` : '';
  return `${code === undefined ? '' : `${code} `}${message}${where}`;
}

function lineAndColumn(source: string, position: number): string {
  const before = source.slice(0, position).split('\n');
  return `line ${before.length}, column ${(before.at(-1) ?? '').length}`;
}
