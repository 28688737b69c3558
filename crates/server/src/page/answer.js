// One answer of the server: the request, and the stream that fills a message.

import { ApiError, events, request } from './api.js';
import { toDataUrl } from './images.js';
import { models } from './models.js';

const SAMPLING = ['temperature', 'top_p', 'top_k', 'min_p', 'repetition_penalty', 'max_tokens', 'seed'];

// Returns the body of a request for the answer to a branch.
export async function bodyFor(settings, branch) {
  const body = { model: settings.model, messages: [], stream: true, stream_options: { include_usage: true } };
  if (settings.system.trim()) body.messages.push({ role: 'system', content: settings.system.trim() });
  for (const message of branch) body.messages.push(...await turns(message));
  body.messages = joined(body.messages);
  for (const name of SAMPLING) if (settings[name] !== null) body[name] = settings[name];
  const { thinking } = settings;
  if (thinking && models.has(settings.model, 'thinking')) body.think = { on: true, off: false }[thinking] ?? thinking;
  if (settings.format === 'json') body.response_format = { type: 'json_object' };
  if (settings.format === 'schema') {
    body.response_format = { type: 'json_schema', json_schema: { name: 'answer', schema: JSON.parse(settings.schema) } };
  }
  return body;
}

// Returns a message as the server takes it, or nothing if it failed before it had a text.
async function turns({ role, content, images = [] }) {
  if (!images.length) return content ? [{ role, content }] : [];
  const parts = await Promise.all(images.map(async (image) => ({ type: 'image_url', image_url: { url: await toDataUrl(image) } })));
  return [{ role, content: content ? [...parts, { type: 'text', text: content }] : parts }];
}

// Joins texts of the same role: many templates refuse two in a row.
function joined(messages) {
  const found = [];
  for (const message of messages) {
    const before = found.at(-1);
    const isText = typeof before?.content === 'string' && typeof message.content === 'string';
    if (before?.role === message.role && isText) before.content += `\n\n${message.content}`;
    else found.push({ ...message });
  }
  return found;
}

// Fills `message` with the answer. `progress` is called after every piece, and `waiting` with the reason for a silence.
export async function stream(settings, branch, message, { signal, progress, waiting }) {
  if (!models.loaded(settings.model)) {
    waiting('Loading the model…');
    await models.load(settings.model, signal);
  }
  waiting('Reading the prompt…');
  const started = performance.now();
  const body = await bodyFor(settings, branch);
  const response = await request('v1/chat/completions', { body, signal });
  const before = message.figures ?? {};
  for await (const event of events(response)) {
    const [choice] = event.choices;
    const { content, reasoning_content: reasoning } = choice?.delta ?? {};
    if (content || reasoning) clock(message, content, performance.now() - started);
    if (reasoning) message.reasoning = (message.reasoning ?? '') + reasoning;
    if (content) message.content += content;
    if (choice?.finish_reason) message.finish = choice.finish_reason;
    take(message, event, before);
    progress();
  }
  if (!message.finish) throw new ApiError('The answer ended without a reason');
}

// Keeps the times of the first piece and of the end of reasoning. `elapsed` is in milliseconds.
function clock(message, content, elapsed) {
  const figures = { first_token_s: elapsed / 1000, ...message.figures };
  if (content && message.reasoning && !message.content) figures.thinking_s = elapsed / 1000 - figures.first_token_s;
  message.figures = figures;
}

// Keeps the figures of the last events.
function take(message, { timings, usage }, before) {
  const figures = { ...message.figures };
  if (timings) {
    figures.decode_rate = timings.predicted_per_second;
    figures.prefill_rate = timings.prompt_per_second;
  }
  if (usage) {
    // A continued answer adds to what it had.
    figures.answer_tokens = usage.completion_tokens + (before.answer_tokens ?? 0);
    figures.prompt_tokens = usage.prompt_tokens;
    figures.cached_tokens = usage.prompt_tokens_details?.cached_tokens ?? 0;
    figures.reasoning_tokens = usage.completion_tokens_details?.reasoning_tokens ?? 0;
    figures.context_tokens = usage.total_tokens;
  }
  message.figures = figures;
}
