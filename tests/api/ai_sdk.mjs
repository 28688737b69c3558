// The npm package `ai` with its providers for OpenAI's, Anthropic's and Ollama's dialects.
//
//     node ai_sdk.mjs PROVIDER ADDRESS NAMES
//
// NAMES is JSON with the models and the texts of `scripts.py`. MLXK_TEST_NODE names the folder that has the packages
// installed.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(path.resolve(process.env.MLXK_TEST_NODE ?? "."), "x.js"));
const ai = require("ai");
const { z } = require("zod");

const [provider, address, given] = process.argv.slice(2);
const names = JSON.parse(given);

// Functions from a model's name to models for text and for vectors. Anthropic's dialect has no vectors.
const PROVIDERS = {
  compatible() {
    const settings = { name: "mlxk", baseURL: `${address}/v1`, apiKey: "none" };
    const made = require("@ai-sdk/openai-compatible").createOpenAICompatible(
      { ...settings, includeUsage: true, supportsStructuredOutputs: true });
    return { text: (name) => made.chatModel(name), vectors: (name) => made.embeddingModel(name) };
  },
  chats() {
    const made = require("@ai-sdk/openai").createOpenAI({ baseURL: `${address}/v1`, apiKey: "none" });
    return { text: (name) => made.chat(name), vectors: (name) => made.embeddingModel(name) };
  },
  responses() {
    const made = require("@ai-sdk/openai").createOpenAI({ baseURL: `${address}/v1`, apiKey: "none" });
    return { text: (name) => made.responses(name) };
  },
  anthropic() {
    const made = require("@ai-sdk/anthropic").createAnthropic({ baseURL: `${address}/v1`, apiKey: "none" });
    return { text: (name) => made.messages(name) };
  },
  ollama() {
    const made = require("ollama-ai-provider-v2").createOllama({ baseURL: `${address}/api` });
    return { text: (name) => made.chat(name), vectors: (name) => made.embedding(name) };
  },
};

const models = PROVIDERS[provider]();
const model = models.text(names.model);
const person = z.object({ name: z.string(), age: z.number().int() });

function asked(prompt, more = {}) {
  return { model, prompt, maxRetries: 0, ...limited(400), ...more };
}

// Returns the setting of a limit. The provider for Ollama sends `maxOutputTokens` in a field that Ollama doesn't have.
function limited(count) {
  if (provider !== "ollama") return { maxOutputTokens: count };
  return { providerOptions: { ollama: { options: { num_predict: count } } } };
}

// Returns a tool, and the arguments of its calls.
function weather() {
  const seen = [];
  const execute = async (given) => {
    seen.push(given);
    return "21";
  };
  return { seen, tool: ai.tool({ description: names.about, inputSchema: ai.jsonSchema(names.parameters), execute }) };
}

async function checkChat() {
  const answer = await ai.generateText(asked("hello", { system: "Be kind." }));
  assert.equal(answer.text, names.hello);
  assert.equal(answer.finishReason, "stop");
  assert.ok(answer.usage.inputTokens > 0 && answer.usage.outputTokens > 3, JSON.stringify(answer.usage));
  const cut = await ai.generateText(asked("long", limited(16)));
  assert.equal(cut.finishReason, "length");
}

async function checkStream() {
  const answer = ai.streamText(asked("hello"));
  const parts = [];
  for await (const part of answer.textStream) parts.push(part);
  assert.equal(parts.join(""), names.hello);
  assert.ok(parts.length > 1);
  assert.equal(await answer.finishReason, "stop");
  assert.ok((await answer.usage).outputTokens > 3);
}

async function checkStructure() {
  const output = ai.Output.object({ schema: person });
  const wanted = JSON.parse(names.person);
  assert.deepEqual((await ai.generateText(asked("person", { output }))).output, wanted);
  const streamed = ai.streamText(asked("person", { output }));
  let last;
  for await (const part of streamed.partialOutputStream) last = part;
  assert.deepEqual(last, wanted);
  // Of the two names, the script's is not one.
  const narrow = ai.Output.choice({ options: ["Anna", "Emil"] });
  assert.ok(["Anna", "Emil"].includes((await ai.generateText(asked("person", { output: narrow }))).output));
}

async function checkTools() {
  const steps = { stopWhen: ai.stepCountIs(5) };
  const once = weather();
  const answer = await ai.generateText(asked("again", { ...steps, tools: { weather: once.tool } }));
  assert.equal(answer.text, "Both are warm.");
  assert.deepEqual(once.seen, [names.zurich, names.bern]);
  assert.deepEqual(answer.steps.map((step) => step.finishReason), ["tool-calls", "tool-calls", "stop"]);
  const twice = weather();
  const streamed = ai.streamText(asked("both", { ...steps, tools: { weather: twice.tool } }));
  assert.equal(await streamed.text, "Both are warm.");
  assert.deepEqual(twice.seen, [names.zurich, names.bern]);
  // An answer with text and a call, which is sent back.
  const both = weather();
  const reported = await ai.generateText(asked("weather", { ...steps, tools: { weather: both.tool } }));
  assert.equal(reported.text, names.report);
  assert.equal(reported.steps[0].text, "I look.");
  const history = [{ role: "user", content: "weather" }, ...reported.response.messages];
  const later = asked(undefined, { messages: [...history, { role: "user", content: "hello" }] });
  assert.equal((await ai.generateText(later)).text, names.hello);
  // The model wants to talk, but has to call.
  const forced = weather();
  const choice = { toolChoice: { type: "tool", toolName: "weather" }, tools: { weather: forced.tool } };
  await ai.generateText(asked("silent", choice));
  assert.deepEqual(forced.seen, [names.zurich]);
  const { tool } = weather();
  const plain = await ai.generateText(asked("hello", { tools: { weather: tool }, toolChoice: "none" }));
  assert.equal(plain.text, names.hello);
}

// Settings with which each provider asks for thoughts. The one for OpenAI's chats has no place for them.
const THOUGHTS = {
  compatible: {},
  responses: { openai: { reasoningEffort: "high", reasoningSummary: "auto", forceReasoning: true } },
  anthropic: { anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } },
  ollama: { ollama: { think: true } },
};

async function checkThoughts() {
  if (!THOUGHTS[provider]) return;
  const thinks = { model: models.text(names.thinker), providerOptions: THOUGHTS[provider] };
  const streamed = ai.streamText(asked("hello", thinks));
  assert.equal(await streamed.text, names.hello);
  assert.equal(await streamed.reasoningText, names.thought);
  // The thoughts of each step are sent back with the next one.
  const { seen, tool } = weather();
  const answer = await ai.generateText(
    asked("again", { ...thinks, tools: { weather: tool }, stopWhen: ai.stepCountIs(5) }));
  assert.equal(answer.text, "Both are warm.");
  assert.deepEqual(seen, [names.zurich, names.bern]);
  assert.deepEqual(answer.steps.map((step) => step.reasoningText), Array(3).fill(names.thought));
}

function isCallError(status, part) {
  return (error) => {
    assert.ok(ai.APICallError.isInstance(error), String(error));
    assert.equal(error.statusCode, status);
    assert.equal(error.isRetryable, false);
    // The provider for Ollama doesn't read the message.
    assert.match(provider === "ollama" ? error.responseBody : error.message, part);
    return true;
  };
}

async function streamedError(settings) {
  let found;
  const streamed = ai.streamText({ ...settings, onError: ({ error }) => (found = error) });
  await streamed.consumeStream();
  return found;
}

async function checkErrors() {
  const unknown = asked("hello", { model: models.text("nosuch") });
  const long = asked("word ".repeat(20000), { model: models.text(names.short), ...limited(16) });
  const tooLong = provider === "anthropic" ? /prompt is too long/ : /maximum context length/;
  for (const [settings, status, part] of [[unknown, 404, /nosuch/], [long, 400, tooLong]]) {
    await assert.rejects(ai.generateText(settings), isCallError(status, part));
    isCallError(status, part)(await streamedError(settings));
  }
}

async function checkVectors() {
  if (!models.vectors) return;
  const one = await ai.embed({ model: models.vectors(names.embedder), value: "a cat" });
  const { embeddings } = await ai.embedMany({ model: models.vectors(names.embedder), values: ["a cat", "a dog"] });
  assert.equal(embeddings.length, 2);
  assert.equal(embeddings[1].length, one.embedding.length);
  assert.ok(one.embedding.every((number, at) => Math.abs(number - embeddings[0][at]) < 1e-6));
  await assert.rejects(ai.embed({ model: models.vectors("nosuch"), value: "a", maxRetries: 0 }),
    isCallError(404, /nosuch/));
}

for (const check of [checkChat, checkStream, checkStructure, checkTools, checkThoughts, checkErrors, checkVectors]) {
  await check();
}
console.log(`ai: ${provider} passed`);
