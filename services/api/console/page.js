// What all parts of the page use.

const count = new Intl.NumberFormat();
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

export function formatCount(value) {
  return count.format(value);
}

export function formatMs(ms) {
  if (ms === undefined) return '–';
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

export function formatClock(time) {
  return clock.format(new Date(time));
}

export function formatTime(time) {
  return day.format(new Date(time));
}

/** An element with attributes and children. Text becomes text: nothing from an event is ever read as HTML. */
export function element(name, attributes, ...children) {
  const created = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== '') created.setAttribute(attribute, value);
  }
  created.append(...children);
  return created;
}

/** The answer's JSON; an error with the problem's own words when there is none. */
export async function getJson(url) {
  let response;
  try {
    response = await fetch(url, { headers: { accept: 'application/json' } });
  } catch (cause) {
    throw new Error('The API does not answer. Trying again.', { cause });
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? `The API answered ${response.status}.`);
  return body;
}
