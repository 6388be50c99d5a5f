import { element, formatTime, getJson } from '/page.js';

/** Everything about an alert: the decision with its rules and features, or the device that raised it. */
export async function showDetail(alert) {
  const dialog = document.getElementById('detail');
  const body = document.getElementById('detail-body');
  document.getElementById('detail-title').textContent = alert.summary;
  body.replaceChildren(element('p', { class: 'empty' }, 'Loading.'));
  dialog.showModal();
  let shown = alert;
  let note = '';
  if (alert.transaction_id !== undefined) {
    try {
      shown = { ...alert, ...(await getJson(`/v1/decisions/${encodeURIComponent(alert.transaction_id)}`)) };
    } catch (error) {
      note = error.message;
    }
  }
  body.replaceChildren(
    facts(shown),
    element('h3', {}, 'Rules that fired'),
    rulesTable(shown.rules),
    element('h3', {}, 'Features'),
    featuresTable(shown.features ?? {}),
    ...(note === '' ? [] : [element('p', { class: 'hint' }, `The decision could not be read: ${note}`)]),
  );
}

function facts(alert) {
  const shown = [
    ['decision', alert.decision],
    ['score', String(Math.round(alert.score))],
    ['amount', alert.amount && `${alert.amount} ${alert.currency}`],
    ['happened', formatTime(alert.event_time)],
    ['raised', formatTime(alert.raised_at)],
    ['payment', alert.transaction_id, '/v1/payments/'],
    ['customer', alert.customer_id, '/v1/customers/'],
    ['merchant', alert.merchant_id, '/v1/merchants/'],
    ['terminal', alert.terminal_id, '/v1/devices/'],
    ['device', alert.device_id, '/v1/devices/'],
    ['payee', alert.payee_id],
    ['card', alert.card_id],
    ['trace', alert.trace_id],
  ].filter(([, value]) => value !== undefined && value !== '');
  return element('dl', { class: 'facts' }, ...shown.map(([name, value, link]) => fact(name, value, link)));
}

function fact(name, value, link) {
  const text = link === undefined ? value : element('a', { href: link + encodeURIComponent(value) }, value);
  return element('div', {}, element('dt', {}, name), element('dd', {}, text));
}

function rulesTable(rules) {
  if (rules.length === 0) return element('p', { class: 'empty' }, 'None.');
  const rows = rules.map(({ id, version, reason, weight, values }) =>
    element(
      'tr',
      {},
      element('td', {}, `${id} (${version})`),
      element('td', {}, reason),
      element(
        'td',
        {},
        Object.entries(values)
          .map(([name, value]) => `${name} ${value}`)
          .join(', '),
      ),
      element('td', { class: 'number' }, String(weight)),
    ),
  );
  return table(['rule', 'why', 'values', 'weight'], rows);
}

function featuresTable(features) {
  const names = Object.keys(features).sort();
  if (names.length === 0) return element('p', { class: 'empty' }, 'None.');
  const rows = names.map((name) =>
    element('tr', {}, element('td', {}, name), element('td', { class: 'number' }, String(round(features[name])))),
  );
  return table(['feature', 'value'], rows);
}

const NUMBERS = new Set(['weight', 'value']);

function table(titles, rows) {
  const head = titles.map((title) => element('th', { scope: 'col', class: NUMBERS.has(title) ? 'number' : '' }, title));
  const whole = element('table', {}, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...rows));
  return element('div', { class: 'scroll' }, whole);
}

function round(value) {
  return Math.round(value * 1000) / 1000;
}
