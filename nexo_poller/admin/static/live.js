// The event stream: whatever happens in the daemon makes the page look again, soon but not too often. A daemon that does
// not answer a look is said to be away, and looked for until it is back.

import { refresh } from "./regions.js";
import { root } from "./root.js";
import { say } from "./say.js";

const EVENTS = ["tick", "state", "reload", "delivery", "lost"];
const LEAST_PAUSE = 1_000;
const LONGEST_PAUSE = 15_000; // then the page looks again though nothing was heard
const SHARE = 10; // looking takes at most one part in so many of the time: among ten thousand jobs it is no trifle
const RETRY = 2_000;

let stream = null;
let streamTimer = null;
let lookTimer = null;
let isLooking = false;
let hasNews = false;
let mayLookAt = 0;
let isAway = false;

// Listens, and calls `heard(kind, data)` for every event, for as long as somebody looks at the page.
export function follow(heard) {
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen(heard)));
  listen(heard);
}

// Shows what is new, as soon as the page may look again.
export function lookSoon() {
  hasNews = true;
  lookAt(mayLookAt);
}

// Shows what is new, at once: the operator has done something.
export function lookNow() {
  mayLookAt = 0;
  lookSoon();
}

function listen(heard) {
  stop(); // a browser has few connections to a host, and a page that nobody looks at needs none
  stream = new EventSource(`${root}admin/pollers/events`);
  stream.onopen = lookSoon;
  stream.onerror = () => {
    stop();
    streamTimer = setTimeout(listen, RETRY, heard);
    lookSoon(); // which tells a daemon that is gone from a stream that has ended
  };
  for (const kind of EVENTS) {
    stream.addEventListener(kind, (event) => {
      heard(kind, JSON.parse(event.data));
      lookSoon();
    });
  }
}

function stop() {
  stream?.close();
  clearTimeout(streamTimer);
}

function lookAt(moment) {
  clearTimeout(lookTimer);
  lookTimer = setTimeout(look, Math.max(0, moment - Date.now()));
}

async function look() {
  if (isLooking || document.hidden) {
    return;
  }
  isLooking = true;
  hasNews = false;
  const began = Date.now();
  await refresh().then(isThere, isGone);
  isLooking = false;
  mayLookAt = Date.now() + Math.max(LEAST_PAUSE, (Date.now() - began) * SHARE);
  lookAt(hasNews || isAway ? Math.min(mayLookAt, Date.now() + RETRY) : Math.max(mayLookAt, Date.now() + LONGEST_PAUSE));
}

function isThere() {
  document.getElementById("connection").hidden = false;
  document.getElementById("connection-word").textContent = "live";
  if (isAway) {
    isAway = false;
    document.documentElement.classList.remove("is-away");
    document.getElementById("away").textContent = "";
    say("The daemon is back.");
  }
}

function isGone() {
  if (!isAway) {
    isAway = true;
    document.documentElement.classList.add("is-away");
    document.getElementById("connection-word").textContent = "away";
    const since = new Date().toLocaleTimeString();
    document.getElementById("away").textContent =
      `The daemon has not answered since ${since}. What you see is from before. Trying again …`;
  }
}
