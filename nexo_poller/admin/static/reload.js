// The dialog that reloads the configuration: what would change, or everything that is wrong, before anything happens.

import { ask } from "./admin.js";
import { element } from "./dom.js";
import { say } from "./say.js";

const CHANGES = { add: "New", replace: "Changed: stopped and started anew", remove: "Gone: stopped for good" };

export function clearPlan() {
  show(false, element("p", { class: "hint" }, "Reading the file …"));
}

export async function showPlan() {
  const answer = await ask("POST", "admin/pollers/reload?dry_run=true");
  if (!answer.ok) {
    showRefusal(answer);
    return;
  }
  const changed = Object.keys(CHANGES).filter((change) => answer[change].length > 0);
  if (changed.length === 0) {
    show(false, element("p", {}, `Nothing would change: all ${answer.keep.length} jobs are as in the file.`));
    return;
  }
  const plan = element("dl", { class: "plan" });
  for (const change of changed) {
    const ids = answer[change];
    plan.append(element("dt", {}, `${CHANGES[change]} (${ids.length})`), element("dd", {}, ids.join(", ")));
  }
  plan.append(element("dt", {}, `Kept as they are (${answer.keep.length})`));
  show(true, plan);
}

export async function reload() {
  const answer = await ask("POST", "admin/pollers/reload");
  if (!answer.ok) {
    showRefusal(answer);
    return;
  }
  document.getElementById("dialog-reload").close();
  const counts = Object.keys(CHANGES).map((change) => `${answer[change].length} ${change}`);
  say(`Reloaded: ${counts.join(", ")}, ${answer.keep.length} keep.`);
}

function showRefusal({ error, problems }) {
  const list = element("ul", { class: "problems" });
  for (const { where, job, what, remedy } of problems ?? [{ what: error }]) {
    const place = [where, job && `job '${job}'`].filter(Boolean).join(", ");
    list.append(element("li", {}, element("b", {}, what), remedy ? ` (${remedy})` : "", element("span", {}, place)));
  }
  show(false, element("p", {}, "The file is refused, and nothing has changed:"), list);
}

function show(mayApply, ...children) {
  document.getElementById("plan").replaceChildren(...children);
  document.querySelector("#dialog-reload [type=submit]").disabled = !mayApply;
}
