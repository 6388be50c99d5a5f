/** How a number is written in a file. */
export interface NumberFormat {
  /** Default: a point. */
  readonly decimal?: '.' | ',';
  /** What stands between groups of digits; default: nothing does. */
  readonly group?: string;
  /** The number counts minor units: with 2, `1250` is `12.5`. */
  readonly minorDigits?: number;
  /** Digits behind the point to which the noise of doubles is rounded away. */
  readonly decimals?: number;
}

const DECIMAL = /^([+-]?)0*([0-9]+)(?:\.([0-9]+))?$/;
/** 87.10000000000001 and 87.09999999999999 are 87.10; a real third digit differs by a thousand times more. */
const NOISE_BELOW = /^0{6}/;
const NOISE_ABOVE = /^9{6}/;

/**
 * A number as decimal text, digit by digit: no floating point is involved unless it came as one. `1.234,50` with
 * `{ decimal: ',', group: '.' }` is `1234.5`; undefined when it is no number. Digits beyond `decimals` that are not noise
 * stay, for the check of the event to refuse.
 */
export function decimalTextOf(value: unknown, format: NumberFormat): string | undefined {
  const text = typeof value === 'string' ? plainDigits(value.trim(), format) : numberText(value);
  const match = text === undefined ? null : DECIMAL.exec(text);
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = ''] = match;
  const shift = format.minorDigits ?? 0;
  const digits = whole.padStart(shift + 1, '0') + fraction;
  const point = digits.length - fraction.length - shift;
  const rounded = withoutNoise(digits.slice(0, point), digits.slice(point), format.decimals);
  const kept = rounded.fraction.replace(/0+$/, '');
  const wholePart = rounded.whole.replace(/^0+(?=[0-9])/, '');
  const isZero = wholePart === '0' && kept === '';
  return `${sign === '-' && !isZero ? '-' : ''}${wholePart}${kept === '' ? '' : `.${kept}`}`;
}

function numberText(value: unknown): string | undefined {
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : undefined;
}

function plainDigits(text: string, { decimal = '.', group }: NumberFormat): string | undefined {
  const [whole = '', fraction, ...more] = text.split(decimal);
  if (more.length > 0) return undefined;
  if (group !== undefined && whole.includes(group)) {
    // Groups of three, so that 1.5 is never read as fifteen.
    const [first = '', ...others] = whole.replace(/^[+-]/, '').split(group);
    if (!/^[0-9]{1,3}$/.test(first) || !others.every((digits) => /^[0-9]{3}$/.test(digits))) return undefined;
  }
  const digits = group === undefined ? whole : whole.replaceAll(group, '');
  return fraction === undefined ? digits : `${digits}.${fraction}`;
}

function withoutNoise(
  whole: string,
  fraction: string,
  decimals: number | undefined,
): { readonly whole: string; readonly fraction: string } {
  if (decimals === undefined || fraction.length <= decimals) return { whole, fraction };
  const kept = fraction.slice(0, decimals);
  const rest = fraction.slice(decimals);
  if (NOISE_BELOW.test(rest)) return { whole, fraction: kept };
  if (!NOISE_ABOVE.test(rest)) return { whole, fraction };
  const raised = (BigInt(whole + kept) + 1n).toString().padStart(decimals + 1, '0');
  return { whole: raised.slice(0, raised.length - decimals), fraction: raised.slice(raised.length - decimals) };
}
