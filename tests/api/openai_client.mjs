// OpenAI's dialect, through OpenAI's own client for Node.
//
//     node openai_client.mjs ADDRESS MODEL
//
// MLXK_TEST_NODE names the folder that has the package `openai` installed.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(path.resolve(process.env.MLXK_TEST_NODE ?? "."), "x.js"));
const { default: OpenAI } = require("openai");

const [address, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: "none", maxRetries: 0 });
const asked = {
  model,
  messages: [{ role: "user", content: "Write a Python function that adds two numbers." }],
  temperature: 0,
  max_tokens: 16,
};

const whole = await client.chat.completions.create(asked);
assert.equal(whole.choices[0].finish_reason, "length");
assert.equal(whole.usage.completion_tokens, 16);

let text = "";
let usage;
const stream = await client.chat.completions.create({
  ...asked,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const event of stream) {
  text += event.choices[0]?.delta.content ?? "";
  usage = event.usage ?? usage;
}
assert.equal(text, whole.choices[0].message.content);
assert.equal(usage.completion_tokens, 16);

const schema = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"], additionalProperties: false };
const formed = await client.chat.completions.create({
  ...asked,
  response_format: { type: "json_schema", json_schema: { name: "ok", schema, strict: true } },
});
assert.equal(typeof JSON.parse(formed.choices[0].message.content).ok, "boolean");

const completion = await client.completions.create({ model, prompt: "def add(a, b):", max_tokens: 4, logprobs: 1 });
assert.equal(completion.choices[0].logprobs.tokens.length, 4);

const models = [];
for await (const one of await client.models.list()) models.push(one.id);
assert.ok(models.includes(model));
assert.equal((await client.models.retrieve(model)).id, model);

await assert.rejects(client.chat.completions.create({ ...asked, model: "nowhere" }), (error) => error.status === 404 && error.code === "model_not_found");

// An unknown field is reported, and an unsupported one refused.
const { response } = await client.chat.completions.create({ ...asked, frobnicate: 1 }).withResponse();
assert.equal(response.headers.get("x-mlxk-ignored"), "frobnicate");
const audio = { voice: "alloy", format: "wav" };
await assert.rejects(client.chat.completions.create({ ...asked, audio }), (error) => error.status === 400 && error.param === "audio");

// Disconnecting midway is not an error.
const left = await client.chat.completions.create({ ...asked, stream: true, max_tokens: 200 });
for await (const _ of left) break;
console.log("openai for Node: chat, stream, structure, completions, models, errors");
