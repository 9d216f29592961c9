// The messages of this page's job that are delivered while one looks at it.

import { element } from "./dom.js";

const KEPT = 50;

export function showDelivery({ job_id: job, topic }) {
  const actions = document.getElementById("actions");
  if (actions?.dataset.job !== job) {
    return;
  }
  const log = document.getElementById("deliveries");
  log.prepend(element("li", {}, `${new Date().toLocaleTimeString()} `, element("code", { class: "topic" }, topic)));
  log.children[KEPT]?.remove();
  document.getElementById("delivered").hidden = false;
}
