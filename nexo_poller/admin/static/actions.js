// What an operator can do to a job or to a dead letter. Buttons come and go with what is shown, so clicks are heard by
// the document: `data-does` names an action, `data-opens` the dialog that asks first.

import { ask, pollerPath } from "./admin.js";
import { lookNow } from "./live.js";
import { clearPlan, reload, showPlan } from "./reload.js";
import { showReport, showWaiting } from "./result.js";
import { say } from "./say.js";

const JOB_ACTIONS = {
  pause: { done: "is paused", then: "resume" },
  resume: { done: "is resumed", then: "pause" },
  reset: { done: "starts over", then: "pause" },
};
const underWay = new Set();

export function hearActions() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) {
      return;
    }
    if ("closes" in button.dataset) {
      button.closest("dialog").close();
    } else if (document.documentElement.classList.contains("is-away")) {
      event.preventDefault();
    } else if (button.dataset.opens) {
      open(button.dataset.opens, subjectOf(button));
    } else if (button.dataset.does) {
      act(button.dataset.does, subjectOf(button));
    }
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const dialog = form.closest("dialog");
    if (dialog) {
      event.preventDefault();
      act(form.dataset.does, dialog.dataset.subject, new FormData(form));
    }
  });
}

// The id of the job, or the number of the message, that a button is about.
function subjectOf(button) {
  const around = button.closest("[data-job], [data-letter]");
  return around?.dataset.job ?? around?.dataset.letter ?? "";
}

function open(name, subject) {
  const dialog = document.getElementById(`dialog-${name}`);
  dialog.dataset.subject = subject;
  dialog.querySelector("form").reset();
  for (const place of dialog.querySelectorAll("[data-names]")) {
    place.textContent = subject;
  }
  if (name === "reload") {
    clearPlan();
    showPlan();
  }
  dialog.showModal();
}

// Does it, once at a time: an impatient second click is not a second run.
async function act(action, subject, given) {
  const key = `${action} ${subject}`;
  if (underWay.has(key)) {
    return;
  }
  underWay.add(key);
  await perform(action, subject, given);
  underWay.delete(key);
  lookNow();
}

async function perform(action, subject, given) {
  switch (action) {
    case "run":
      return run(subject, "run", "Run");
    case "dry-run":
      return run(subject, "run?dry_run=true", "Dry run");
    case "pause":
      return change(action, subject, Object.fromEntries(given));
    case "resume":
    case "reset":
      return change(action, subject);
    case "replay":
      return tell(ask("POST", `admin/dead-letters/${subject}/replay`), `Message ${subject} is in the outbox again.`);
    case "discard":
      return tell(ask("DELETE", `admin/dead-letters/${subject}`), `Message ${subject} is discarded.`);
    case "reload":
      return reload();
  }
}

async function run(job, path, name) {
  showWaiting(name, job);
  showReport(name, await ask("POST", pollerPath(job, path)));
}

async function change(action, job, body) {
  const { done, then } = JOB_ACTIONS[action];
  if (await tell(ask("POST", pollerPath(job, action), body), `${job} ${done}.`)) {
    focusOnceThere(then);
  }
}

// Says how it went, closes the dialog that asked, and returns whether it went well.
async function tell(asking, success) {
  const answer = await asking;
  document.querySelector("dialog[open]")?.close();
  say(answer.ok ? success : `That failed: ${answer.error}`);
  return answer.ok;
}

// The button that was pressed is gone with the state that it changed; its opposite takes the focus.
function focusOnceThere(id) {
  const watcher = new MutationObserver(() => {
    const button = document.getElementById(id);
    if (button) {
      watcher.disconnect();
      button.focus();
    }
  });
  watcher.observe(document.getElementById("actions"), { childList: true, attributes: true, subtree: true });
}
