// LangChain for Node, through its packages for OpenAI's, Anthropic's and Ollama's dialects.
//
//     node langchain.mjs ADDRESS NAMES
//
// NAMES is JSON with the models and the texts of `scripts.py`. MLXK_TEST_NODE names the folder that has the packages
// installed.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(path.resolve(process.env.MLXK_TEST_NODE ?? "."), "x.js"));
const { ChatOpenAI, OpenAIEmbeddings } = require("@langchain/openai");
const { ChatOllama, OllamaEmbeddings } = require("@langchain/ollama");
const { ChatAnthropic } = require("@langchain/anthropic");
const { tool } = require("@langchain/core/tools");
const { createAgent } = require("langchain");
const { z } = require("zod");

const [address, given] = process.argv.slice(2);
const names = JSON.parse(given);
const openai = { apiKey: "none", configuration: { baseURL: `${address}/v1` }, maxRetries: 0 };
const anthropic = { apiKey: "none", anthropicApiUrl: address, maxRetries: 0, maxTokens: 2000 };
const ollama = { baseUrl: address, maxRetries: 0 };
const budget = { type: "enabled", budget_tokens: 1024 };

// Makers of models, with the settings that ask for thoughts.
const MODELS = {
  chats: (model) => new ChatOpenAI({ ...openai, model }),
  responses: (model) => new ChatOpenAI({ ...openai, model, useResponsesApi: true }),
  anthropic: (model) => new ChatAnthropic({ ...anthropic, model, ...thoughts(model, { thinking: budget }) }),
  ollama: (model) => new ChatOllama({ ...ollama, model, ...thoughts(model, { think: true }) }),
};

function thoughts(model, settings) {
  return model === names.thinker ? settings : {};
}

async function checkChat(model) {
  const answer = await model.invoke([["system", "Be kind."], ["user", "hello"]]);
  assert.equal(answer.text, names.hello);
  assert.ok(answer.usage_metadata.output_tokens > 3);
  const parts = [];
  for await (const part of await model.stream("hello")) parts.push(part.text);
  assert.equal(parts.join(""), names.hello);
  assert.ok(parts.filter(Boolean).length > 1);
}

async function checkStructure(model, name) {
  const person = z.object({ name: z.string(), age: z.number().int() });
  const methods = ["jsonSchema", "functionCalling", ...(name === "anthropic" ? [] : ["jsonMode"])];
  for (const method of methods) {
    const structured = model.withStructuredOutput(person, { method, name: "Person" });
    assert.deepEqual(await structured.invoke("person"), JSON.parse(names.person), method);
  }
}

async function checkLoop(model, prompts) {
  for (const [prompt, end, calls] of prompts) {
    const seen = [];
    const weather = tool(async (given) => seen.push(given) && "21",
      { name: "weather", description: names.about, schema: names.parameters });
    const agent = createAgent({ model, tools: [weather] });
    const asked = { messages: [{ role: "user", content: prompt }] };
    assert.equal((await agent.invoke(asked)).messages.at(-1).text, end);
    let last;
    for await (const part of await agent.stream(asked, { streamMode: ["messages", "values"] })) last = part;
    assert.equal(last[1].messages.at(-1).text, end);
    assert.deepEqual(seen, [...calls, ...calls]);
  }
}

async function checkErrors(make) {
  await assert.rejects(make("nosuch").invoke("hello"), (error) => {
    assert.match(error.message, /nosuch/);
    return (error.status ?? error.status_code) === 404;
  });
  await assert.rejects(make(names.short).invoke("word ".repeat(20000)), /maximum context length|prompt is too long/);
}

async function checkVectors() {
  const model = names.embedder;
  for (const embedder of [new OpenAIEmbeddings({ ...openai, model }), new OllamaEmbeddings({ ...ollama, model })]) {
    const [one, two] = await embedder.embedDocuments(["a cat", "a dog"]);
    const query = await embedder.embedQuery("a cat");
    assert.ok(query.length === two.length && query.every((number, at) => Math.abs(number - one[at]) < 1e-6));
  }
}

const both = [names.zurich, names.bern];
const loops = [["again", "Both are warm.", both], ["both", "Both are warm.", both]];
for (const [name, make] of Object.entries(MODELS)) {
  await checkChat(make(names.model));
  await checkStructure(make(names.model), name);
  await checkLoop(make(names.model), [...loops, ["weather", names.report, [names.zurich]]]);
  await checkLoop(make(names.thinker), loops);
  await checkErrors(make);
  console.log(`langchain for Node: ${name} passed`);
}
await checkVectors();
console.log("langchain for Node: vectors");
