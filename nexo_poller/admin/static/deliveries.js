// What becomes of messages of this page's job while one looks at it: they are delivered, or die.

import { element } from "./dom.js";

const KEPT = 50;

export function showDelivery({ at_ms: at, job_id: job, topic, outcome, error }) {
  if (job === document.getElementById("content").dataset.job) {
    show(at, element("b", { class: `outcome ${outcome}` }, outcome), " ", element("code", {}, topic), error && `: ${error}`);
  }
}

export function showGap({ at_ms: at, count }) {
  show(at, `${count} event${count === 1 ? "" : "s"} came too fast for this page: there may be deliveries among them.`);
}

function show(at, ...what) {
  const log = document.getElementById("deliveries");
  if (!log) {
    return;
  }
  log.prepend(element("li", {}, `${new Date(at).toLocaleTimeString()} `, ...what.filter(Boolean)));
  log.children[KEPT]?.remove();
  document.getElementById("delivered").hidden = false;
}
