// What a run, or a dry run, came to.

import { element } from "./dom.js";

export function showWaiting(name, job) {
  show(element("h2", {}, name), element("p", { class: "hint" }, `${job} is running …`));
}

export function showReport(name, answer) {
  show(element("h2", {}, `${name}: ${answer.ok ? "ok" : (answer.status ?? "refused")}`), ...details(answer));
  document.getElementById("result").focus();
}

function* details(answer) {
  if ("items_seen" in answer) {
    const sent = answer.messages ? "would be sent" : "sent";
    yield element(
      "p",
      {},
      `${counted(answer.items_seen, "item")} seen, ${answer.items_dispatched} dispatched, ` +
        `${counted(answer.deliveries, "message")} ${sent}.`,
    );
  }
  if (answer.error) {
    yield element("pre", {}, answer.error);
  }
  for (const { topic, payload } of answer.messages ?? []) {
    yield element("p", {}, element("code", { class: "topic" }, topic));
    yield element("pre", {}, JSON.stringify(payload, null, 2));
  }
}

function show(...children) {
  const place = document.getElementById("result");
  place.hidden = false;
  place.replaceChildren(...children);
}

function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
