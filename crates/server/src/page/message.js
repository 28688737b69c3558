// The view of one message.

import { announce, notice } from './announce.js';
import { CodeBlock } from './code.js';
import { copyText, freshId, h, iconButton, textButton } from './dom.js';
import { count, seconds, three, tokens } from './figures.js';
import { picture } from './images.js';
import { MarkdownStream } from './markdown.js';

export class MessageView {
  // `actions` has `edit`, `again`, `proceed` and `turn` (to another version).
  constructor(message, actions) {
    this.message = message;
    this.actions = actions;
    this.shown = { content: 0, reasoning: 0 };
    this.isAnswer = message.role === 'assistant';
    this.isWaiting = false;
    this.title = h('h2', { class: this.isAnswer ? 'who' : 'hidden', title: message.model }, this.isAnswer ? message.model?.split('/').at(-1) || 'Answer' : 'You');
    this.body = h('div', { class: 'text' });
    this.foot = h('div', { class: 'foot' });
    this.element = h('li', { class: `message ${this.isAnswer ? 'answer' : 'asked'}` }, this.title, this.body, this.foot);
    this.showImages();
    this.update();
  }

  showImages() {
    const images = this.message.images ?? [];
    if (!images.length) return;
    const list = images.map((image, index) => picture(image, `Image ${index + 1}`));
    this.body.before(h('ul', { class: 'attached', 'aria-label': 'Images' }, ...list));
  }

  // Shows what the message has got since the last time.
  update() {
    const { message, shown } = this;
    const reasoning = message.reasoning ?? '';
    if (reasoning.length > shown.reasoning) {
      this.think(reasoning.slice(shown.reasoning));
      shown.reasoning = reasoning.length;
    }
    if (message.content.length > shown.content) {
      this.write(message.content.slice(shown.content));
      shown.content = message.content.length;
    }
  }

  write(text) {
    this.removeWaiting();
    if (!this.isAnswer) {
      this.body.append(text);
      return;
    }
    if (!this.text) {
      this.thoughts?.title(this.thoughtLabel());
      this.text = this.message.format === 'text' || !this.message.format ? new MarkdownStream(this.body) : this.structured();
    }
    this.text.push(text);
  }

  // Answers with a form are shown as code.
  structured() {
    const block = new CodeBlock('json');
    this.body.append(block.element);
    return { push: (text) => block.append(text), finish() {} };
  }

  think(text) {
    this.removeWaiting();
    if (!this.thoughts) {
      this.thoughts = new Thoughts();
      this.body.before(this.thoughts.element);
      this.thoughts.title(this.isRunning ? 'Thinking…' : this.thoughtLabel());
    }
    this.thoughts.append(text);
  }

  thoughtLabel() {
    const time = this.message.figures?.thinking_s;
    if (time === undefined) return 'Reasoning';
    return time < 1 ? 'Thought for a moment' : `Thought for ${seconds(time)}`;
  }

  // Shows that the answer has not begun, and why.
  wait(text) {
    this.isRunning = true;
    if (!this.waiting) {
      this.waiting = h('p', { class: 'waiting' });
      this.body.before(this.waiting);
    }
    this.waiting.textContent = text;
  }

  removeWaiting() {
    this.waiting?.remove();
    this.waiting = null;
  }

  // Shows the rest of a message that has ended, and what can be done with it.
  finish(versions) {
    this.isRunning = false;
    this.removeWaiting();
    this.update();
    this.text?.finish();
    if (this.thoughts) this.thoughts.title(this.thoughtLabel());
    this.element.querySelector('.problem')?.remove();
    if (this.message.error) {
      const again = textButton('Try again', () => this.actions.again(this.message));
      this.foot.before(h('div', { class: 'problem' }, h('p', {}, this.message.error), again));
    }
    this.showFoot(versions);
  }

  showFoot(versions) {
    const { message, actions } = this;
    const items = [iconButton('copy', 'Copy message', () => this.copy())];
    if (!this.isAnswer) items.push(iconButton('edit', 'Edit message', () => this.edit()));
    if (this.isAnswer) items.push(iconButton('again', 'Answer again', () => actions.again(message)));
    if (['length', 'stopped'].includes(message.finish) && message.content && !message.error) {
      items.push(iconButton('more', 'Continue the answer', () => actions.proceed(message)));
    }
    if (versions.length > 1) items.push(this.versions(versions));
    const facts = factsOf(message);
    if (facts) items.push(figures(facts, detailsOf(message)));
    this.foot.replaceChildren(...items);
  }

  versions(all) {
    const at = all.indexOf(this.message);
    const turn = (step) => () => this.actions.turn(all[at + step]);
    return h('span', { class: 'versions', role: 'group', 'aria-label': 'Versions' },
      iconButton('previous', 'Previous version', turn(-1), { disabled: at === 0 }),
      h('span', {}, h('span', { class: 'hidden' }, 'Version '), `${at + 1} / ${all.length}`),
      iconButton('next', 'Next version', turn(1), { disabled: at === all.length - 1 }));
  }

  async copy() {
    try {
      await copyText(this.message.content);
      announce('Message copied');
    } catch (error) {
      notice(`The message was not copied: ${error.message}`);
    }
  }

  // Replaces the text by a field. Escape leaves it as it was.
  edit() {
    if (this.form) return;
    const field = h('textarea', { id: freshId('edit'), 'aria-label': 'Edited message', value: this.message.content, rows: 3 });
    const close = () => {
      this.form.remove();
      this.form = null;
      this.body.hidden = this.foot.hidden = false;
      this.foot.querySelector('[aria-label="Edit message"]')?.focus();
    };
    const send = (event) => {
      event.preventDefault();
      const text = field.value.trim();
      if (!text) return;
      close();
      this.actions.edit(this.message, text);
    };
    const onkeydown = (event) => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        close();
      } else if (isSending(event)) send(event);
    };
    field.addEventListener('keydown', onkeydown);
    this.form = h('form', { class: 'edit', onsubmit: send }, field, h('div', { class: 'row end' },
      textButton('Cancel', close), h('button', { class: 'primary', type: 'submit' }, 'Send')));
    this.body.hidden = this.foot.hidden = true;
    this.body.before(this.form);
    field.rows = Math.min(12, Math.max(3, field.value.split('\n').length));
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }
}

// Returns `true` for Enter alone. While someone composes letters (as in Japanese), Enter ends the composition. Fingers
// have no Shift key for a new line.
export function isSending(event) {
  return event.key === 'Enter' && !event.shiftKey && !event.isComposing && !matchMedia('(pointer: coarse)').matches;
}

// Reasoning, folded. Only as many paragraphs are laid out as are unfolded.
class Thoughts {
  constructor() {
    this.summary = h('summary');
    this.text = h('div', { class: 'thoughts' });
    this.element = h('details', { class: 'reasoning' }, this.summary, this.text);
    this.last = null;
  }

  title(text) {
    this.summary.textContent = text;
  }

  append(text) {
    for (const [index, part] of text.split(/\n{2,}/).entries()) {
      if (!this.last || index > 0) {
        this.last = document.createTextNode('');
        this.text.append(h('p', {}, this.last));
      }
      this.last.appendData(part);
    }
  }
}

// Returns the figures of an answer in short.
function factsOf({ finish, figures, error }) {
  const parts = [];
  if (finish === 'stopped' && !error) parts.push('stopped');
  if (finish === 'length') parts.push('cut off at the limit');
  if (figures?.answer_tokens) parts.push(tokens(figures.answer_tokens));
  if (figures?.decode_rate) parts.push(`${three(figures.decode_rate)} tokens/s`);
  return parts.join(' · ');
}

// Returns the figures in short, which unfold into all of them.
function figures(short, all) {
  if (!all.length) return h('span', { class: 'facts' }, short);
  const ontoggle = ({ target }) => { if (target.open) target.scrollIntoView({ block: 'nearest' }); };
  return h('details', { class: 'facts', ontoggle }, h('summary', {}, short), h('ul', {}, ...all.map((line) => h('li', {}, line))));
}

function detailsOf({ figures }) {
  if (!figures?.answer_tokens) return [];
  const lines = [`Prompt: ${tokens(figures.prompt_tokens)}, ${count(figures.cached_tokens)} of them from the cache`];
  if (figures.prefill_rate) lines.push(`Prefill: ${three(figures.prefill_rate)} tokens/s`);
  if (figures.first_token_s) lines.push(`First token: ${seconds(figures.first_token_s)}`);
  if (figures.reasoning_tokens) lines.push(`Reasoning: ${tokens(figures.reasoning_tokens)}`);
  if (figures.decode_rate) lines.push(`Decode: ${three(figures.decode_rate)} tokens/s`);
  return lines;
}
