// Ollama's dialect, through Ollama's own JavaScript client, and through a reader that expects complete lines
// in every network read.
//
//     node ollama_client.mjs ADDRESS MODEL
//
// MLXK_TEST_NODE names the folder that has the package `ollama` installed.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(path.resolve(process.env.MLXK_TEST_NODE ?? "."), "x.js"));
const { Ollama } = require("ollama");

const [address, model] = process.argv.slice(2);
const client = new Ollama({ host: address });
const messages = [{ role: "user", content: "Write a Python function that adds two numbers." }];
const prompt = messages[0].content;
const options = { temperature: 0, num_predict: 24 };

async function text(stream, of) {
  let all = "", last;
  for await (const part of stream) {
    all += of(part);
    last = part;
  }
  assert.equal(last.done, true);
  assert.equal(last.eval_count, 24);
  return all;
}

const chat = await client.chat({ model, messages, options });
assert.equal(chat.done_reason, "length");
assert.ok(chat.created_at && chat.message.content);
assert.equal(
  await text(await client.chat({ model, messages, options, stream: true }), (part) => part.message.content),
  chat.message.content,
);
const generated = await client.generate({ model, prompt, options });
assert.equal(generated.response, chat.message.content);
assert.equal(
  await text(await client.generate({ model, prompt, options, stream: true }), (part) => part.response),
  generated.response,
);
const schema = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] };
const formed = await client.generate({ model, prompt: "Well?", format: schema, options: { num_predict: 60 } });
assert.equal(typeof JSON.parse(formed.response).ok, "boolean");

const listed = (await client.list()).models.map((one) => one.name);
assert.ok(listed.some((name) => name.startsWith(model)), listed.join());
const shown = await client.show({ model });
assert.ok(shown.capabilities.includes("completion") && shown.model_info["general.architecture"]);
assert.equal((await client.ps()).models.filter((one) => one.name.startsWith(model)).length, 1);
assert.ok((await client.version()).version);

const made = "mlxk-acceptance-js";
await client.delete({ model: made }).catch(() => {});
assert.equal((await client.create({ model: made, from: model, system: "Be brief." })).status, "success");
await client.copy({ source: made, destination: `${made}-2` });
await client.delete({ model: made });
await client.delete({ model: `${made}-2` });
let last;
for await (const part of await client.pull({ model, stream: true })) last = part;
assert.equal(last.status, "success");

await assert.rejects(client.chat({ model: "nosuch", messages }), { status_code: 404, message: /not found/ });
await assert.rejects(client.generate({ model, prompt, options: { temperature: -1 } }), { status_code: 400 });
assert.ok((await client.embed({ model, input: "x" })).embeddings[0].length > 0);

// Some chat bots split every network read into lines and parse each of them.
const response = await fetch(`${address}/api/generate`, {
  method: "POST",
  body: JSON.stringify({ model, prompt, options, stream: true }),
});
let collected = "";
for await (const read of response.body) {
  for (const line of new TextDecoder().decode(read).split("\n").filter(Boolean)) {
    collected += JSON.parse(line).response;
  }
}
assert.equal(collected, generated.response);

// A client that disconnects frees its place.
const stream = await client.chat({ model, messages, options: { num_predict: -1, temperature: 1.5 }, stream: true });
for await (const _ of stream) {
  stream.abort();
  break;
}
console.error("ollama (JavaScript): all passed");
