// Lengths of time in the words of `words.py`, and every <time> on the page kept going.

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const TWO_UNITS = [[DAY, "d", HOUR, "h"], [HOUR, "h", MINUTE, "min"], [MINUTE, "min", SECOND, "s"]];

// The server's clock against this one: a countdown is the daemon's business.
let ahead = 0;

export function setNow(serverMs) {
  ahead = serverMs - Date.now();
}

export function span(ms) {
  for (const [unit, name, part, partName] of TWO_UNITS) {
    if (ms >= unit) {
      return `${Math.floor(ms / unit)} ${name} ${String(Math.floor((ms % unit) / part)).padStart(2, "0")} ${partName}`;
    }
  }
  return `${Math.floor(ms / SECOND)} s`;
}

function ago(ms) {
  return ms < SECOND ? "just now" : `${span(ms)} ago`;
}

function inFuture(ms) {
  return ms < SECOND ? "due now" : `in ${span(ms)}`;
}

export function showTimes() {
  const now = Date.now() + ahead;
  for (const time of document.querySelectorAll("time[data-since]")) {
    show(time, ago(now - time.dataset.since), time.dataset.since);
  }
  for (const time of document.querySelectorAll("time[data-until]")) {
    show(time, inFuture(time.dataset.until - now), time.dataset.until);
  }
}

function show(time, words, ms) {
  if (time.textContent !== words) {
    time.textContent = words;
  }
  time.title = new Date(Number(ms)).toLocaleString();
}
