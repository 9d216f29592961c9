// Search and filters that answer while one types. Without JavaScript the form does the same with its button.

import { lookNow } from "./live.js";

const TYPING = 200;

export function hearFilters(form) {
  let timer = null;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, TYPING, form);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show(form);
  });
}

function show(form) {
  const wanted = [...new FormData(form)].filter(([, value]) => value !== "");
  history.replaceState(null, "", `?${new URLSearchParams(wanted)}`);
  lookNow();
}
