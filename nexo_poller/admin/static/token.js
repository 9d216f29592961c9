// The form that a daemon with a token shows to whoever has not given it yet.

import { ask } from "./admin.js";

export function hearToken(form) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await ask("POST", form.dataset.posts, { token: form.elements.token.value });
    if (answer.ok) {
      location.reload();
    } else {
      document.getElementById("token-wrong").textContent = answer.error;
      form.elements.token.select();
    }
  });
}
