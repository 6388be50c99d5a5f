import Type from 'typebox';
import { weight } from './decision.ts';
import * as field from './fields.ts';

export const COMPARISONS = ['gt', 'gte', 'lt', 'lte', 'eq', 'ne'] as const;
export type Comparison = (typeof COMPARISONS)[number];

/** When a rule fires: comparisons of features, joined by all, any and not. */
export type Condition =
  | { all: Condition[] }
  | { any: Condition[] }
  | { not: Condition }
  | { feature: string; op: Comparison; value: field.Scalar }
  | { feature: string; op: 'in'; value: (string | number)[] };

const closed = { additionalProperties: false };
const conditions = () => Type.Array(Type.Ref('Condition'), { minItems: 1, maxItems: 32 });
const feature = () => field.name('Name of a feature.');

/** The schema of `Condition`. TypeBox can infer a recursive type, but the compiler reads the one above faster. */
export const Condition = Type.Unsafe<Condition>(
  Type.Cyclic(
    {
      Condition: Type.Union([
        Type.Object({ all: conditions() }, closed),
        Type.Object({ any: conditions() }, closed),
        Type.Object({ not: Type.Ref('Condition') }, closed),
        Type.Object({ feature: feature(), op: Type.Enum(COMPARISONS), value: field.Scalar }, closed),
        Type.Object(
          {
            feature: feature(),
            op: Type.Literal('in'),
            value: Type.Array(Type.Union([Type.String({ maxLength: 256 }), Type.Number()]), { maxItems: 1_000 }),
          },
          closed,
        ),
      ]),
    },
    'Condition',
  ),
);

/** `rule.v1`: a rule as data. `weight` is what it adds to the score when it fires. */
export const Rule = Type.Object({
  id: field.name('Id of the rule; the key of the record.'),
  version: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  name: field.text('Name for a reader.'),
  reason: field.text('What an analyst reads when it fired.'),
  weight: weight(),
  enabled: Type.Boolean(),
  when: Condition,
  updated_at: Type.Optional(field.timeMs('When it was last changed.')),
});
export type Rule = Type.Static<typeof Rule>;
