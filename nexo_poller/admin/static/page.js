// The page comes to life: times go on, the event stream is followed, buttons act.

import { hearActions } from "./actions.js";
import { showDelivery, showGap } from "./deliveries.js";
import { hearFilters } from "./filters.js";
import { follow } from "./live.js";
import { setNow, showTimes } from "./times.js";
import { hearToken } from "./token.js";

const filters = document.getElementById("filters");
const token = document.getElementById("token-form");

document.documentElement.classList.add("scripted");
setNow(Number(document.documentElement.dataset.now));
showTimes();
setInterval(showTimes, 1_000);

if (document.querySelector("[data-live]")) {
  hearActions();
  follow({ delivery: showDelivery, lost: showGap });
}
if (token) {
  hearToken(token);
}
if (filters) {
  hearFilters(filters);
}
