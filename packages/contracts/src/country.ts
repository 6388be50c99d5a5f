// Only the table of codes: the package's entry point would load the names of all countries in some 80 languages.
import codes from 'i18n-iso-countries/codes.json' with { type: 'json' };

/** Whether a text is an ISO 3166-1 alpha-2 code. XK (Kosovo), which card schemes use, counts as one. */
export function isCountry(code: string): boolean {
  return alpha2.has(code);
}

const alpha2: ReadonlySet<string> = new Set(codes.map(([code]) => String(code)));
