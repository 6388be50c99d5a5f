import { IsOptional, type TObject, type TProperties } from 'typebox';
import { expectation, type Setting } from './config.ts';

/**
 * A service's settings as a markdown table, for its README. A test compares the two, so that neither drifts:
 * `assert.ok(readme.includes(configTable(schema)))`.
 */
export function configTable(schema: TObject<TProperties>): string {
  const rows = (Object.entries(schema.properties) as [string, Setting][]).map(([variable, setting]) => [
    `\`${variable}\``,
    defaultOf(setting),
    expectation(setting),
    setting.description ?? '',
  ]);
  return [['variable', 'default', 'value', 'what it does'], ['---', '---', '---', '---'], ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}

function defaultOf(setting: Setting): string {
  if (setting.default === undefined) return IsOptional(setting) ? 'unset' : '**required**';
  const text = Array.isArray(setting.default) ? setting.default.join(',') : String(setting.default);
  return text === '' ? 'empty' : `\`${text}\``;
}
