import uPlot from '/vendor/uplot/uPlot.esm.js';

/** The two charts of the last minutes. They follow the width of the page and its light or dark colours. */
export function createCharts() {
  const places = [
    { place: document.getElementById('payments-chart'), options: paymentsOptions },
    { place: document.getElementById('decisions-chart'), options: decisionsOptions },
  ];
  let charts = [];
  let data = [
    [[], []],
    [[], [], [], []],
  ];

  const draw = () => {
    for (const chart of charts) chart.destroy();
    charts = places.map(({ place, options }, index) => {
      const size = { width: place.clientWidth, height: place.clientHeight };
      return new uPlot({ ...size, ...options(colours()) }, data[index], place);
    });
  };
  draw();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  new ResizeObserver(() => {
    charts.forEach((chart, index) => {
      const { clientWidth: width, clientHeight: height } = places[index].place;
      chart.setSize({ width, height });
    });
  }).observe(places[0].place);

  return {
    /** `series` as /v1/stats has it, in steps of `stepSeconds`. */
    show(series, stepSeconds) {
      const times = series.map(({ time }) => Date.parse(time) / 1000);
      const perSecond = (name) => series.map((step) => step[name] / stepSeconds);
      data = [
        [times, perSecond('payments')],
        [times, perSecond('approve'), perSecond('review'), perSecond('decline')],
      ];
      charts.forEach((chart, index) => {
        chart.setData(data[index]);
      });
    },
  };
}

function colours() {
  // A custom property with light-dark() is resolved only where it is used as a colour.
  const probe = document.body.appendChild(document.createElement('span'));
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const names = ['soft', 'line', 'accent', 'approve', 'review', 'decline'];
  const resolved = Object.fromEntries(names.map((name) => [name, colour(name)]));
  probe.remove();
  return resolved;
}

function paymentsOptions(colour) {
  const fill = colour.accent.replace('rgb(', 'rgba(').replace(')', ', 0.15)');
  return {
    ...frame(),
    axes: [timeAxis(colour), { ...axis(colour), size: 56 }],
    series: [{}, { stroke: colour.accent, fill, width: 1.75, points: { show: false } }],
  };
}

function decisionsOptions(colour) {
  const line = (stroke, scale) => ({ stroke, scale, width: 1.75, points: { show: false } });
  return {
    ...frame(),
    scales: { x: {}, y: { range: fromZero }, many: { range: fromZero } },
    axes: [
      timeAxis(colour),
      { ...axis(colour), size: 56 },
      { ...axis(colour), scale: 'many', side: 1, size: 56, grid: { show: false } },
    ],
    series: [{}, line(colour.approve, 'many'), line(colour.review, 'y'), line(colour.decline, 'y')],
  };
}

function frame() {
  return { cursor: { y: false }, legend: { show: false }, scales: { x: {}, y: { range: fromZero } } };
}

const minute = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

function timeAxis(colour) {
  const values = (_chart, times) => times.map((time) => minute.format(new Date(time * 1000)));
  return { ...axis(colour), values, size: 32, incrs: [60, 300, 900, 3600], space: 70 };
}

function axis(colour) {
  return {
    stroke: colour.soft,
    grid: { stroke: colour.line, width: 1 },
    ticks: { stroke: colour.line, width: 1 },
    font: '12px system-ui, sans-serif',
  };
}

function fromZero(_chart, _low, high) {
  return [0, Math.max(1, (high ?? 0) * 1.1)];
}
