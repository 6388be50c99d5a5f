import { showDetail } from '/detail.js';
import { element, formatClock, formatTime, getJson } from '/page.js';

/** Rows on the page; the list of the API has them all. */
const ROWS_MAX = 100;
/** Alerts that wait while the list is paused. */
const WAITING_MAX = 500;
/** After an answer that ends an EventSource for good (503 while starting). */
const RECONNECT_MS = 3_000;

/** The list of alerts: the newest from the API, then each as it is raised. */
export function showAlerts() {
  const body = document.getElementById('alerts');
  const empty = document.getElementById('alerts-empty');
  const pause = document.getElementById('alert-pause');
  const filter = document.getElementById('alert-filter');
  const known = new Map();
  let waiting = [];
  let scheduled = false;
  let paused = false;

  const shown = () => new FormData(filter).get('show');

  function take(alerts, isNew) {
    for (const alert of alerts) {
      if (known.has(alert.alert_id)) continue;
      waiting.push({ alert, isNew });
    }
    if (waiting.length > WAITING_MAX) waiting = waiting.slice(-WAITING_MAX);
    if (!paused && !scheduled) {
      scheduled = true;
      requestAnimationFrame(render);
    }
    pause.textContent = paused ? `Resume (${waiting.length})` : 'Pause';
  }

  function render() {
    scheduled = false;
    for (const { alert, isNew } of waiting.splice(0)) {
      if (known.has(alert.alert_id)) continue;
      const row = alertRow(alert, isNew);
      known.set(alert.alert_id, { alert, row });
      body.prepend(row);
    }
    while (known.size > ROWS_MAX) {
      const [oldest, { row }] = known.entries().next().value;
      row.remove();
      known.delete(oldest);
    }
    applyFilter();
  }

  function applyFilter() {
    const kind = shown();
    let visible = 0;
    for (const { alert, row } of known.values()) {
      row.hidden = kind !== 'all' && kindOf(alert) !== kind;
      if (!row.hidden) visible += 1;
    }
    empty.hidden = visible > 0;
    empty.textContent =
      known.size === 0
        ? 'No alerts yet. They appear here as they are raised.'
        : 'None of these among the newest alerts.';
  }

  pause.addEventListener('click', () => {
    paused = !paused;
    pause.setAttribute('aria-pressed', String(paused));
    take([], false);
  });
  filter.addEventListener('change', applyFilter);

  const loadNewest = async () => {
    const { items } = await getJson(`/v1/alerts?limit=${ROWS_MAX}`);
    take(items.reverse(), false);
  };
  connect({ onAlert: (alert) => take([alert], true), onMissing: loadNewest });
}

/** Keeps a stream open. What a stream could not give (at first, and after a gap) is asked of the list. */
function connect({ onAlert, onMissing }) {
  const pill = document.getElementById('connection');
  const say = (text, live) => {
    pill.textContent = text;
    pill.classList.toggle('live', live);
  };
  const fill = () => onMissing().catch(() => say('alerts so far cannot be read; new ones follow', false));

  const source = new EventSource('/v1/stream/alerts');
  source.addEventListener('open', () => {
    say('live', true);
    fill();
  });
  source.addEventListener('alert', ({ data }) => onAlert(JSON.parse(data)));
  source.addEventListener('gap', fill);
  source.addEventListener('error', () => {
    say('reconnecting', false);
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(() => connect({ onAlert, onMissing }), RECONNECT_MS);
  });
}

function kindOf(alert) {
  return alert.kind === 'device' ? 'device' : (alert.decision ?? 'review');
}

/** The summary says the amount and the decision again, which have columns here. */
function reasonsOf({ kind, rules, summary }) {
  return kind === 'payment' && rules.length > 0 ? rules.map(({ reason }) => reason).join(' ') : summary;
}

function alertRow(alert, isNew) {
  const kind = kindOf(alert);
  const open = element('button', { type: 'button', class: 'open' }, formatClock(alert.raised_at));
  open.title = formatTime(alert.raised_at);
  const row = element(
    'tr',
    { class: isNew ? 'new' : '' },
    element('td', {}, open),
    element('td', { class: `tag ${kind}` }, kind),
    element('td', { class: 'number' }, String(Math.round(alert.score))),
    element('td', {}, alert.customer_id ?? alert.device_id ?? alert.merchant_id ?? ''),
    element('td', { class: 'number' }, alert.amount === undefined ? '' : `${alert.amount} ${alert.currency}`),
    element('td', { class: 'why' }, reasonsOf(alert)),
  );
  row.addEventListener('click', () => showDetail(alert));
  return row;
}
