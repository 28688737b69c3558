// Conversations as a file. A file is checked field by field, because anyone may have written it.

import { DEFAULTS } from './conversation.js';
import { fromDataUrl, toDataUrl } from './images.js';
import * as store from './store.js';

const SCHEMA = 'mlxk-conversations/1';

// Returns conversations as JSON text.
export async function exported(list) {
  const conversations = [];
  for (const conversation of list) {
    const messages = [];
    for (const message of (await store.messagesOf(conversation.id)).values()) {
      const images = await Promise.all((message.images ?? []).map(toDataUrl));
      const { conversation: _, images: __, ...rest } = message;
      messages.push(images.length ? { ...rest, images } : rest);
    }
    messages.sort((a, b) => a.created - b.created);
    conversations.push({ ...conversation, messages });
  }
  return JSON.stringify({ schema: SCHEMA, conversations }, null, 1);
}

// Adds the conversations of a file. Returns their number, and fails with a sentence for the user.
export async function imported(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error('The file is not JSON');
  }
  if (file?.schema !== SCHEMA || !Array.isArray(file.conversations)) {
    throw new Error(`The file has no conversations: its "schema" is not "${SCHEMA}"`);
  }
  const read = [];
  for (const [index, conversation] of file.conversations.entries()) read.push(await checked(conversation, index));
  // Nothing is written unless all of it can be read.
  for (const { conversation, messages } of read) {
    await store.putConversation(conversation);
    for (const message of messages) await store.putMessage(message);
  }
  return read.length;
}

const isText = (value) => typeof value === 'string';
const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

async function checked(given, index) {
  const broken = (what) => new Error(`Conversation ${index + 1} of the file is malformed: ${what}`);
  if (!isText(given?.id) || !given.id) throw broken('it has no "id"');
  if (!Array.isArray(given.messages)) throw broken('it has no "messages"');
  const messages = [];
  const ids = new Set();
  for (const message of given.messages) {
    if (!isText(message?.id) || !['user', 'assistant'].includes(message.role) || !isText(message.content)) {
      throw broken('a message lacks "id", "role" or "content"');
    }
    // Messages are in the order of their times, so a parent comes first and there are no circles.
    const parent = ids.has(message.parent) ? message.parent : null;
    ids.add(message.id);
    messages.push(await checkedMessage(message, parent, given.id));
  }
  const leaf = ids.has(given.leaf) ? given.leaf : messages.at(-1)?.id ?? null;
  const conversation = {
    id: given.id, title: isText(given.title) ? given.title : '', leaf, settings: settings(given.settings),
    created: isNumber(given.created) ? given.created : Date.now(), updated: isNumber(given.updated) ? given.updated : Date.now(),
  };
  return { conversation, messages };
}

async function checkedMessage(given, parent, conversation) {
  const message = { id: given.id, conversation, parent, role: given.role, content: given.content };
  message.created = isNumber(given.created) ? given.created : Date.now();
  for (const name of ['reasoning', 'model', 'finish', 'error', 'format']) {
    if (isText(given[name])) message[name] = given[name];
  }
  if (given.figures && typeof given.figures === 'object') {
    message.figures = Object.fromEntries(Object.entries(given.figures).filter(([, value]) => isNumber(value)));
  }
  if (Array.isArray(given.images)) message.images = await Promise.all(given.images.filter(isText).map(fromDataUrl));
  return message;
}

function settings(given) {
  const found = { ...DEFAULTS };
  for (const [name, standard] of Object.entries(DEFAULTS)) {
    const value = given?.[name];
    if (standard === null ? value === null || isNumber(value) : isText(value)) found[name] = value;
  }
  return found;
}
