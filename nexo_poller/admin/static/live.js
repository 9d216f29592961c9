// The event stream: what happens in the daemon makes the page look again, soon but not too often. A daemon that does not
// answer a look is said to be away, and looked for until it is back.

import { isOfConcern } from "./concern.js";
import { refresh } from "./regions.js";
import { root } from "./root.js";
import { say } from "./say.js";

const EVENTS = ["tick", "state", "reload", "delivery", "lost"];
const LEAST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000; // then the page looks again though nothing was heard
const SHARE = 10; // looking takes at most one part in so many of the time: among ten thousand jobs it is no trifle
const RETRY = 2_000;

let stream = null;
let streamTimer = null;
let lookTimer = null;
let isLooking = false;
let hasNews = false;
let mayLookAt = 0;
let isAway = false;

// Listens for as long as somebody looks at the page; `heard` may have functions that want the data of a kind of event.
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
      const data = JSON.parse(event.data);
      heard[kind]?.(data);
      if (isOfConcern(kind, data)) {
        lookSoon();
      }
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
  const ended = Date.now();
  mayLookAt = ended + (isAway ? RETRY : Math.min(Math.max(LEAST_PAUSE, (ended - began) * SHARE), LONGEST_PAUSE));
  lookAt(hasNews || isAway ? mayLookAt : ended + LONGEST_PAUSE);
}

function isThere() {
  const isOpen = stream.readyState === EventSource.OPEN;
  showConnection(isOpen ? "live" : "deaf", isOpen ? "live" : "listening again …");
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
    showConnection("away", "away");
    const since = new Date().toLocaleTimeString();
    document.getElementById("away").textContent =
      `The daemon has not answered since ${since}. What you see is from before. Trying again …`;
  }
}

function showConnection(state, word) {
  const place = document.getElementById("connection");
  place.dataset.state = state;
  place.hidden = false;
  document.getElementById("connection-word").textContent = word;
}
