// Requests to the admin interface. Every answer has `ok`, and `error` where it is false.

import { root } from "./root.js";

export async function ask(method, path, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const request = { method, headers, body: body && JSON.stringify(body) };
  try {
    const answer = await fetch(root + path, request);
    if (answer.status === 401 && !path.endsWith("session")) {
      location.reload(); // which asks for the token
    }
    return await answer.json();
  } catch {
    return { ok: false, error: "the daemon did not answer" };
  }
}

export function pollerPath(job, action) {
  return `admin/pollers/${encodeURIComponent(job)}/${action}`;
}
