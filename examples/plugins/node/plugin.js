// Tells when the version that a JSON document names has changed. No SDK: JSON-RPC 2.0, one message a line.
// stdout belongs to the wire; whatever is for people goes to stderr, where the daemon picks it up.
"use strict";

const TRANSIENT = -32001, PERMANENT = -32002, METHOD_NOT_FOUND = -32601, BAD_CONFIG = -32602;
const waiting = new Map(); // our own calls to the daemon, by id
let calls = 0;

class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const answers = {
  initialize: () => ({ name: "release", version: "1.0.0", capabilities: { pollers: ["release"] } }),
  poll_tick: tick,
  poll_list_tools: () => [
    {
      name: "release_latest",
      description: "The version that the JSON document at a URL names at this moment.",
      parameters: {
        type: "object",
        properties: { url: { type: "string" } },
        required: ["url"],
        additionalProperties: false,
      },
    },
  ],
  poll_tool_call: async ({ args }) => ({ version: await versionAt(args.url) }),
  shutdown: () => {
    setImmediate(() => process.stdin.destroy()); // nothing else keeps the process alive
    return null;
  },
};

async function tick({ job_id, config, cursor }) {
  const { url, deliver } = config;
  if (!url || !deliver) throw new Refusal(BAD_CONFIG, "`url` and `deliver` are needed");
  const version = await versionAt(url);
  await call("metric_inc", { job_id, name: "releases_looked_at" });
  const news = cursor === null || Buffer.from(cursor, "base64url").toString() !== version;
  if (news) await call("log", { job_id, level: "info", message: `version ${version} is out`, fields: { url } });
  const message = { channel: deliver.channel, recipient: deliver.to, payload: `version ${version} is out` };
  return {
    next_cursor: Buffer.from(version).toString("base64url"),
    metrics: { items_seen: 1, items_dispatched: news ? 1 : 0 },
    deliver: news ? [message] : [],
  };
}

async function versionAt(url) {
  if (!URL.canParse(url)) throw new Refusal(BAD_CONFIG, "`url` is no URL");
  let answer;
  try {
    answer = await fetch(url, { signal: AbortSignal.timeout(20_000) });
  } catch (error) {
    throw new Refusal(TRANSIENT, `${new URL(url).host} cannot be reached: ${error.cause?.code ?? error.message}`);
  }
  const refused = answer.status >= 400 && answer.status < 500 && ![408, 425, 429].includes(answer.status);
  if (!answer.ok) throw new Refusal(refused ? PERMANENT : TRANSIENT, `the server answered ${answer.status}`);
  const { version } = await answer.json();
  if (typeof version !== "string") throw new Refusal(PERMANENT, "the document names no version");
  return version;
}

// What the daemon does for a poller: broker_publish, credentials_get, log, metric_inc, llm_invoke.
function call(method, params) {
  const id = ++calls;
  say({ id, method, params });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

async function take(message) {
  if (message.method === undefined) {
    const { resolve, reject } = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error) reject(new Refusal(message.error.code, message.error.message));
    else resolve(message.result);
    return;
  }
  try {
    if (!answers[message.method]) throw new Refusal(METHOD_NOT_FOUND, message.method);
    say({ id: message.id, result: await answers[message.method](message.params) });
  } catch (error) {
    const code = error instanceof Refusal ? error.code : TRANSIENT; // others have codes that mean something else
    say({ id: message.id, error: { code, message: String(error.message) } });
  }
}

function say(message) {
  process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
}

require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => take(JSON.parse(line)));
