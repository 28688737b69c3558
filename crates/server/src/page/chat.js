// The chat: shows a conversation, and sends, stops, edits and repeats its messages.

import { announce, notice } from './announce.js';
import { stream } from './answer.js';
import { branch, newConversation, newestLeaf, newMessage, siblings, titleOf } from './conversation.js';
import { byId, h } from './dom.js';
import { count } from './figures.js';
import { MessageView } from './message.js';
import { models } from './models.js';
import { Follower } from './scroll.js';
import { remembered } from './settings.js';
import * as store from './store.js';

// Time between two savings of an answer that arrives, in milliseconds.
const SAVING = 1000;

export class Chat extends EventTarget {
  constructor() {
    super();
    this.log = byId('log');
    this.follower = new Follower(byId('scroll'), byId('jump'));
    // Answers that arrive, by conversation. They go on if another conversation is shown.
    this.running = new Map();
    this.start();
  }

  // Begins a new conversation. It is saved with its first message.
  start() {
    this.show(newConversation(remembered(this.conversation?.settings)), new Map());
  }

  async open(conversation) {
    const messages = await store.messagesOf(conversation.id);
    const running = this.running.get(conversation.id);
    // The answer that arrives is newer than the one that is saved.
    this.show(running?.conversation ?? conversation, running?.messages ?? messages);
  }

  show(conversation, messages) {
    const before = this.running.get(this.conversation?.id);
    if (before) before.view = null;
    this.conversation = conversation;
    this.messages = messages;
    this.draw();
    this.changed();
  }

  get isAnswering() {
    return this.running.has(this.conversation.id);
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }

  // Shows the branch. Views of messages that stay are kept from `from` on.
  draw() {
    const shown = branch(this.messages, this.conversation.leaf);
    const kept = new Map((this.views ?? []).map((view) => [view.message, view]));
    const running = this.running.get(this.conversation.id);
    this.views = shown.map((message) => kept.get(message) ?? new MessageView(message, this.actions));
    for (const view of this.views) {
      if (view.message === running?.message) {
        running.view = view;
        if (!view.message.content && !view.message.reasoning) view.wait(running.reason);
        view.isRunning = true;
      } else view.finish(siblings(this.messages, view.message));
    }
    this.log.replaceChildren(...this.views.map((view) => view.element));
    byId('welcome').hidden = this.views.length > 0;
    this.follower.toEnd();
  }

  actions = {
    edit: (message, text) => this.edit(message, text),
    again: (message) => this.again(message),
    proceed: (message) => this.proceed(message),
    turn: (message) => this.turn(message),
  };

  // Sends a message and waits for its answer.
  async send(content, images) {
    const { conversation } = this;
    await this.ask(newMessage(conversation, conversation.leaf, 'user', images.length ? { content, images } : { content }));
  }

  async ask(message) {
    const { conversation, messages } = this;
    messages.set(message.id, message);
    conversation.leaf = message.id;
    conversation.title ||= titleOf(message.content) || 'Image';
    // The answer does not wait for the disk.
    this.save(conversation, message);
    await this.answer(message);
  }

  // Sends a changed message. The old one stays as another version.
  async edit(message, content) {
    if (this.isAnswering) this.stop();
    await this.ask(newMessage(this.conversation, message.parent, 'user', { content, ...(message.images && { images: message.images }) }));
  }

  // Answers again. The old answer stays, unless it has no text.
  async again(message) {
    if (this.isAnswering) return;
    await this.answer(this.messages.get(message.parent));
  }

  async proceed(message) {
    if (this.isAnswering) return;
    message.finish = undefined;
    await this.run(message);
  }

  async turn(message) {
    if (this.isAnswering) return;
    this.conversation.leaf = newestLeaf(this.messages, message);
    this.draw();
    this.changed();
    const view = this.views.find((it) => it.message === message);
    view?.element.querySelector('.versions button:not(:disabled)')?.focus();
    await store.putConversation(this.conversation);
  }

  async answer(asked) {
    const { conversation } = this;
    const { model, format } = conversation.settings;
    const message = newMessage(conversation, asked.id, 'assistant', { model, format });
    this.messages.set(message.id, message);
    conversation.leaf = message.id;
    await this.run(message);
  }

  // Lets the server write `message`, which may have a beginning.
  async run(message) {
    const { conversation, messages } = this;
    const control = new AbortController();
    const run = { conversation, messages, message, control, view: null, reason: 'Waiting…', saved: performance.now() };
    this.running.set(conversation.id, run);
    this.draw();
    this.changed();
    announce('The answer is being written');
    // After a reload, the answer looks as if it had been stopped.
    this.save(conversation, { ...message, finish: 'stopped' });
    const shown = branch(messages, message.id);
    const asked = message.content ? shown : shown.slice(0, -1);
    try {
      await stream(conversation.settings, asked, message, {
        signal: control.signal,
        progress: () => this.progress(run),
        waiting: (reason) => {
          run.reason = reason;
          run.view?.wait(reason);
        },
      });
    } catch (error) {
      if (error.name === 'AbortError') message.finish = 'stopped';
      else message.error = error.message;
    }
    await this.end(run);
  }

  // Shows new text with the next frame of the screen, however many pieces arrive until then.
  progress(run) {
    if (!run.frame && run.view) {
      run.frame = requestAnimationFrame(() => {
        run.frame = 0;
        run.view?.update();
        this.follower.follow();
      });
    }
    if (performance.now() - run.saved > SAVING && !run.isRemoved) {
      run.saved = performance.now();
      store.putMessage({ ...run.message, finish: 'stopped' }).catch(() => {});
    }
  }

  async end(run) {
    const { conversation, message } = run;
    cancelAnimationFrame(run.frame);
    // An edited message may have begun the next answer already.
    if (this.running.get(conversation.id) === run) this.running.delete(conversation.id);
    if (conversation === this.conversation) {
      run.view?.finish(siblings(this.messages, message));
      this.follower.follow();
    }
    announce(spoken(message));
    if (!run.isRemoved) await this.save(conversation, message);
    this.changed();
    models.refreshRunning().catch(() => {});
  }

  async save(conversation, message) {
    conversation.updated = Date.now();
    try {
      await store.putMessage(message);
      await store.putConversation(conversation);
    } catch (error) {
      notice(`The browser did not save the conversation: ${error.message}`);
    }
    this.dispatchEvent(new Event('saved'));
  }

  // Stops the answer of a conversation that is being deleted, and does not save it again.
  forget(id) {
    const run = this.running.get(id);
    if (!run) return;
    run.isRemoved = true;
    run.control.abort();
  }

  stop() {
    this.running.get(this.conversation.id)?.control.abort();
  }

  // Opens the last message of the user for editing. Returns `false` if there is none.
  editLast() {
    const view = this.views.findLast((it) => it.message.role === 'user');
    view?.edit();
    return Boolean(view);
  }

  // Returns the tokens of the conversation so far, and the context length of its model.
  context() {
    const last = this.views.findLast((view) => view.message.figures?.context_tokens);
    const { model } = this.conversation.settings;
    const length = models.loaded(model)?.context;
    return { used: last?.message.figures.context_tokens, length };
  }
}

// Returns what screen readers say at the end of an answer. They read a short one at once.
function spoken({ content, error, finish, figures }) {
  if (error) return `The answer failed: ${error}`;
  if (finish === 'stopped') return 'The answer was stopped';
  if (content.length <= 300) return `Answer: ${content}`;
  return `The answer is complete${figures?.answer_tokens ? `, ${count(figures.answer_tokens)} tokens` : ''}`;
}

// Returns the content of an empty conversation.
export function welcome(model, running) {
  const facts = [model?.details.parameter_size, model?.details.quantization_level].filter(Boolean);
  const context = running?.context ?? model?.context;
  if (context) facts.push(`${count(context)} tokens of context`);
  if (!model && !models.isKnown) return [];
  if (!model) {
    return [h('p', { class: 'greeting' }, 'No model yet'),
      h('p', {}, 'Get one in ', h('a', { href: '#models' }, 'Models'), ', or with ', h('code', {}, 'mlxk pull smollm2'), '.')];
  }
  return [h('p', { class: 'greeting' }, model.id.split('/').at(-1)), h('p', { class: 'faint' }, facts.join(' · ')),
    h('p', { class: 'faint small' }, 'Conversations stay in this browser. The server keeps none.')];
}
