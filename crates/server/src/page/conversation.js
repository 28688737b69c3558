// A conversation is a tree of messages. `leaf` names the end of the branch that is shown. An edited message and a
// new answer are siblings of the old ones, so nothing is lost.

// `null` means the model's own default.
export const DEFAULTS = {
  model: '', system: '', thinking: '', format: 'text', schema: '', temperature: null, top_p: null, top_k: null,
  min_p: null, repetition_penalty: null, max_tokens: null, seed: null,
};

export function newConversation(settings) {
  const now = Date.now();
  return { id: crypto.randomUUID?.() ?? fallbackId(), title: '', created: now, updated: now, leaf: null, settings: { ...settings } };
}

// Browsers offer `randomUUID` to pages of HTTPS and of this machine only.
function fallbackId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

let last = 0;

export function newMessage(conversation, parent, role, more = {}) {
  // Siblings are in the order of their times.
  last = Math.max(Date.now(), last + 1);
  return { id: crypto.randomUUID?.() ?? fallbackId(), conversation: conversation.id, parent, role, content: '', created: last, ...more };
}

// Returns the messages from the first one to `leaf`.
export function branch(messages, leaf) {
  const found = [];
  for (let message = messages.get(leaf); message; message = messages.get(message.parent)) found.unshift(message);
  return found;
}

// Returns the alternatives of a message, itself included.
export function siblings(messages, message) {
  const found = [...messages.values()].filter((other) => other.parent === message.parent);
  return found.sort((a, b) => a.created - b.created);
}

// Returns the end of the newest branch through a message.
export function newestLeaf(messages, message) {
  for (;;) {
    const children = [...messages.values()].filter((other) => other.parent === message.id);
    if (!children.length) return message.id;
    message = children.reduce((newest, child) => (child.created > newest.created ? child : newest));
  }
}

export function titleOf(text) {
  const line = text.trim().split('\n', 1)[0].replace(/[#*_`>]/g, '').trim();
  return line.length > 60 ? `${line.slice(0, 58).trimEnd()}…` : line;
}

// Returns the conversation as text, for other programs.
export function asMarkdown(conversation, shown) {
  const parts = shown.map((message) => `**${message.role === 'user' ? 'You' : message.model || 'Answer'}**\n\n${message.content}`);
  return `# ${conversation.title || 'Conversation'}\n\n${parts.join('\n\n')}\n`;
}
