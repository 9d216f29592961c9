// The regions of this page that are live: fetched anew from the server, which renders them, and changed in place, so
// that focus, selection, scrolling and what is unfolded stay where they are.

import { setNow, showTimes } from "./times.js";

const PATIENCE = 10_000;

// Fetches this very page and shows what is new in it. Throws if the daemon does not answer.
export async function refresh() {
  const answer = await fetch(location.href, { signal: AbortSignal.timeout(PATIENCE), headers: { Accept: "text/html" } });
  if (answer.status === 401 || answer.status === 404) {
    location.reload(); // which asks for the token, or says that there is no such job any more
  }
  if (!answer.ok) {
    throw new Error(`the daemon answered ${answer.status}`);
  }
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = document.activeElement;
  for (const region of document.querySelectorAll("[data-live]")) {
    const successor = fresh.getElementById(region.id);
    if (successor) {
      become(region, successor);
    }
  }
  if (focused !== document.activeElement && focused.isConnected) {
    focused.focus({ preventScroll: true }); // moving an element takes the focus from it
  }
  setNow(Number(fresh.documentElement.dataset.now));
  showTimes();
}

// Makes `old` equal to `fresh`, with as little change as it takes.
function become(old, fresh) {
  if (old.isEqualNode(fresh)) {
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  takeAttributes(old, fresh);
  takeChildren(old, fresh);
}

function takeAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    const isTheUsers = old.tagName === "DETAILS" && name === "open";
    if (!fresh.hasAttribute(name) && !isTheUsers) {
      old.removeAttribute(name);
    }
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) {
      old.setAttribute(name, value);
    }
  }
}

// Children with an id stay the elements they are, wherever they go; others are matched by their place.
function takeChildren(old, fresh) {
  const known = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const match = (child.id && known.get(child.id)) || (place && isAlike(place, child) ? place : null);
    if (!match) {
      old.insertBefore(child, place);
      continue;
    }
    if (match === place) {
      place = place.nextSibling;
    } else {
      old.insertBefore(match, place);
    }
    become(match, child);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function isAlike(old, fresh) {
  return old.nodeName === fresh.nodeName && (old.id ?? "") === (fresh.id ?? "");
}
