// Requests to the server. Addresses are relative, so the page also works below a path of a proxy.

import { getHere, setHere } from './local.js';

const KEY = 'mlxk-key';

// A refusal, with the server's own sentence.
export class ApiError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

let asking;
let ask = async () => null;

// Sets the function that asks the user for the API key.
export function onKeyNeeded(asks) {
  ask = asks;
}

// Asks once, however many requests need the key.
function newKey(wrong) {
  asking ??= ask(wrong).then((key) => {
    if (key) setHere(KEY, key);
    return key;
  }).finally(() => { asking = undefined; });
  return asking;
}

// Sends a request and returns the response. With a body, it is a POST of JSON.
export async function request(path, { body, signal } = {}) {
  for (;;) {
    const key = getHere(KEY);
    const headers = key ? { authorization: `Bearer ${key}` } : {};
    if (body !== undefined) headers['content-type'] = 'application/json';
    const sent = { method: body === undefined ? 'GET' : 'POST', headers, signal };
    if (body !== undefined) sent.body = JSON.stringify(body);
    let response;
    try {
      response = await fetch(path, sent);
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new ApiError('The server does not answer. Is it still running?');
    }
    if (response.ok) return response;
    // Another request may have got the key meanwhile.
    const isNew = () => getHere(KEY) !== key;
    if (response.status !== 401 || !(isNew() || await newKey(Boolean(key)))) throw await refusal(response);
  }
}

async function refusal(response) {
  const text = await response.text();
  return new ApiError(messageOf(parsed(text)) ?? `The server answered with status ${response.status}`, response.status);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// Returns the message of an error, in OpenAI's or Ollama's shape.
function messageOf(body) {
  const error = body?.error;
  return typeof error === 'string' ? error : error?.message;
}

export const getJson = async (path, options) => (await request(path, options)).json();

async function* texts(response, separator) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      let step;
      try {
        step = await reader.read();
      } catch (error) {
        if (error.name === 'AbortError') throw error;
        throw new ApiError('The connection broke off');
      }
      if (step.done) break;
      const parts = (rest + step.value).split(separator);
      rest = parts.pop();
      yield* parts;
    }
    if (rest.trim()) yield rest;
  } finally {
    reader.cancel().catch(() => {});
  }
}

// Yields the objects of server-sent events. Fails with the error that the server sends midway.
export async function* events(response) {
  let ended = false;
  for await (const event of texts(response, '\n\n')) {
    if (!event.startsWith('data: ')) continue;
    const data = event.slice(6);
    if (data === '[DONE]') {
      ended = true;
      break;
    }
    yield checked(data);
  }
  if (!ended) throw new ApiError('The answer broke off');
}

// Yields the objects of JSON Lines.
export async function* lines(response) {
  for await (const line of texts(response, '\n')) {
    if (line.trim()) yield checked(line);
  }
}

function checked(text) {
  const value = parsed(text);
  if (value === null) throw new ApiError('The server sent something that is not JSON');
  const message = messageOf(value);
  if (message) throw new ApiError(message);
  return value;
}
