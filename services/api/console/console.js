import { showAlerts } from '/alerts.js';
import { createCharts } from '/charts.js';
import { element, formatCount, formatMs, getJson } from '/page.js';

// The first page: figures, charts and reconciliation are asked for every few seconds; alerts arrive by themselves.

const STATS_MS = 2_000;
const RECONCILIATION_MS = 3_000;
const WINDOW_SECONDS = 300;
const STEP_SECONDS = 2;
/** What was accepted in the last seconds is still on its way to the tables: a chart would show it as a fall. */
const UNSETTLED_MS = 4_000;
/** The figures are means of this much of the series. */
const FIGURE_STEPS = 5;

const charts = createCharts();
showAlerts();
every(STATS_MS, showStats);
every(RECONCILIATION_MS, showReconciliation);

async function showStats() {
  const stats = await getJson(`/v1/stats?window_seconds=${WINDOW_SECONDS}&step_seconds=${STEP_SECONDS}`);
  const settledBefore = Date.parse(stats.now) - UNSETTLED_MS - STEP_SECONDS * 1000;
  const series = stats.series.filter(({ time }) => Date.parse(time) <= settledBefore);
  charts.show(series, STEP_SECONDS);
  const last = series.slice(-FIGURE_STEPS);
  const perSecond = (name) => last.reduce((sum, step) => sum + step[name], 0) / Math.max(1, last.length * STEP_SECONDS);
  const figures = {
    payments: formatCount(Math.round(perSecond('payments'))),
    readings: formatCount(Math.round(perSecond('readings'))),
    decided: formatMs(stats.latency_ms?.decided.p99),
    stored: formatMs(stats.latency_ms?.stored.p99),
    decisions: formatCount(stats.totals.decisions),
    alerts: formatCount(stats.totals.alerts),
  };
  for (const [name, text] of Object.entries(figures)) document.getElementById(`figure-${name}`).textContent = text;
}

async function showReconciliation() {
  const { payments, telemetry } = await getJson('/v1/reconciliation');
  document
    .getElementById('reconciliation')
    .replaceChildren(hopRow('payments', payments), hopRow('telemetry', telemetry));
}

function hopRow(name, counts) {
  const hop = (hopName) =>
    element('td', { class: counts[hopName] < counts.accepted ? 'short' : '' }, formatCount(counts[hopName]));
  const fault = (count) => element('td', { class: count > 0 ? 'fault' : 'fine' }, formatCount(count));
  return element(
    'tr',
    {},
    element('th', { scope: 'row' }, name),
    ...['accepted', 'raw', 'enriched', 'decided', 'stored'].map(hop),
    fault(counts.lost),
    fault(counts.duplicated),
  );
}

/** Runs `show` again and again while the page is seen. What fails is tried again; the notice says so. */
function every(ms, show) {
  const failures = { count: 0 };
  const turn = async () => {
    if (!document.hidden) {
      try {
        await show();
        failures.count = 0;
      } catch (error) {
        failures.count += 1;
        // Once may be a restart; from the second time on somebody should know.
        if (failures.count > 1) notify(error.message);
      }
      if (failures.count === 0) clearNotice(show);
    }
    setTimeout(turn, ms);
  };
  const notify = (message) => {
    notices.set(show, message);
    showNotice();
  };
  turn();
}

const notices = new Map();

function clearNotice(show) {
  if (notices.delete(show)) showNotice();
}

function showNotice() {
  const notice = document.getElementById('notice');
  notice.hidden = notices.size === 0;
  notice.textContent = [...new Set(notices.values())].join(' ');
}
