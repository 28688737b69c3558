// Conversations in this browser (IndexedDB). If the browser refuses that, they last as long as the page.

const NAME = 'mlxk';
const MEMORY = { conversations: new Map(), messages: new Map() };

let opening;

function open() {
  opening ??= new Promise((resolve) => {
    let asked;
    try {
      asked = indexedDB.open(NAME, 1);
    } catch {
      resolve(null);
      return;
    }
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore('conversations', { keyPath: 'id' });
      asked.result.createObjectStore('messages', { keyPath: 'id' }).createIndex('conversation', 'conversation');
    };
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => resolve(null);
  });
  return opening;
}

// Returns `true` if conversations survive a reload.
export const isLasting = async () => (await open()) !== null;

function done(asked) {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

async function put(store, value) {
  const base = await open();
  if (!base) return void MEMORY[store].set(value.id, structuredClone(value));
  await done(base.transaction(store, 'readwrite').objectStore(store).put(value));
}

export const putConversation = (conversation) => put('conversations', conversation);
export const putMessage = (message) => put('messages', message);

// Returns all conversations, the last used first.
export async function conversations() {
  const base = await open();
  const all = base ? await done(base.transaction('conversations').objectStore('conversations').getAll())
    : [...MEMORY.conversations.values()];
  return all.sort((a, b) => b.updated - a.updated);
}

// Returns the messages of a conversation by their ids.
export async function messagesOf(id) {
  const base = await open();
  const found = base ? await done(base.transaction('messages').objectStore('messages').index('conversation').getAll(id))
    : [...MEMORY.messages.values()].filter((message) => message.conversation === id);
  return new Map(found.map((message) => [message.id, message]));
}

// Removes a conversation and its messages.
export async function remove(id) {
  const messages = await messagesOf(id);
  const base = await open();
  if (!base) {
    MEMORY.conversations.delete(id);
    for (const key of messages.keys()) MEMORY.messages.delete(key);
    return;
  }
  const change = base.transaction(['conversations', 'messages'], 'readwrite');
  change.objectStore('conversations').delete(id);
  for (const key of messages.keys()) change.objectStore('messages').delete(key);
  await new Promise((resolve, reject) => {
    change.oncomplete = resolve;
    change.onerror = () => reject(change.error);
  });
}
