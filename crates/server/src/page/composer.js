// The box in which messages are written.

import { notice } from './announce.js';
import { byId, h, icon } from './dom.js';
import { count } from './figures.js';
import { picture, prepared } from './images.js';
import { isSending } from './message.js';
import { models } from './models.js';

// Greatest height of the box in pixels.
const HIGHEST = 240;

export class Composer {
  constructor(chat) {
    this.chat = chat;
    this.text = byId('text');
    this.images = [];
    // Texts that are not sent yet, by conversation.
    this.drafts = new Map();
    // Fingers have no Shift key, so there Enter starts a line.
    if (matchMedia('(pointer: coarse)').matches) byId('hint').textContent = '';
    byId('send').append(icon('send'));
    byId('stop').append(icon('stop'));
    byId('attach').append(icon('image'));
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.send();
    });
    byId('stop').addEventListener('click', () => chat.stop());
    byId('attach').addEventListener('click', () => byId('attach-file').click());
    byId('attach-file').addEventListener('change', (event) => {
      this.attach([...event.target.files]);
      event.target.value = '';
    });
    this.text.addEventListener('keydown', (event) => this.key(event));
    this.text.addEventListener('input', () => this.grow());
    this.text.addEventListener('paste', (event) => this.take(event, event.clipboardData));
    for (const kind of ['dragover', 'drop']) {
      byId('view-chat').addEventListener(kind, (event) => {
        if (!event.dataTransfer?.types.includes('Files')) return;
        event.preventDefault();
        if (kind === 'drop') this.take(event, event.dataTransfer);
      });
    }
    chat.addEventListener('change', () => this.update());
    models.addEventListener('change', () => this.update());
    this.update();
  }

  key(event) {
    if (isSending(event)) {
      event.preventDefault();
      this.send();
    } else if (event.key === 'ArrowUp' && !this.text.value && !this.chat.isAnswering) {
      if (this.chat.editLast()) event.preventDefault();
    }
  }

  take(event, data) {
    const files = [...data.files].filter((file) => file.type.startsWith('image/'));
    if (!files.length) return;
    event.preventDefault();
    if (this.takesImages) this.attach(files);
    else notice('This model does not take images');
  }

  get takesImages() {
    return models.has(this.chat.conversation.settings.model, 'vision');
  }

  async attach(files) {
    for (const file of files) {
      try {
        this.images.push(await prepared(file));
      } catch (error) {
        notice(error.message);
      }
    }
    this.showImages();
    this.text.focus();
  }

  showImages() {
    const list = this.images.map((image, index) => picture(image, `Image ${index + 1}`, () => {
      this.images.splice(index, 1);
      this.showImages();
      this.text.focus();
    }));
    byId('attached').replaceChildren(...list);
    byId('attached').hidden = !list.length;
  }

  send() {
    const text = this.text.value.trim();
    const { chat, images } = this;
    if (chat.isAnswering || (!text && !images.length)) return;
    if (!chat.conversation.settings.model) {
      notice('There is no model to answer; get one in Models');
      return;
    }
    if (images.length && !this.takesImages) {
      notice('This model does not take images; remove them or choose another model');
      return;
    }
    this.text.value = '';
    this.images = [];
    this.showImages();
    this.grow();
    chat.send(text, images);
  }

  grow() {
    this.text.style.height = 'auto';
    this.text.style.height = `${Math.min(this.text.scrollHeight, HIGHEST)}px`;
    this.drafts.set(this.shownId, this.text.value);
  }

  // Shows what is possible in this conversation at this moment.
  update() {
    const { chat } = this;
    const { conversation, isAnswering } = chat;
    if (conversation.id !== this.shownId) {
      this.shownId = conversation.id;
      this.text.value = this.drafts.get(conversation.id) ?? '';
      this.grow();
    }
    const hadFocus = [byId('send'), byId('stop')].includes(document.activeElement);
    byId('send').hidden = isAnswering;
    byId('stop').hidden = !isAnswering;
    if (hadFocus) byId(isAnswering ? 'stop' : 'send').focus();
    byId('attach').hidden = !this.takesImages;
    const { format } = conversation.settings;
    byId('format-note').hidden = format === 'text';
    byId('format-note').textContent = format === 'schema' ? 'JSON Schema' : 'JSON';
    this.showContext();
  }

  showContext() {
    const { used, length } = this.chat.context();
    const place = byId('context');
    if (!used) {
      place.replaceChildren();
      return;
    }
    const text = length ? `${count(used)} / ${count(length)}` : count(used);
    const meter = length && h('meter', { min: 0, max: length, high: length * 0.85, optimum: 0, value: used, 'aria-hidden': 'true' });
    place.replaceChildren(...(meter ? [meter] : []), h('span', { class: 'hidden' }, 'Context used: '), text);
    place.title = 'Tokens of context used';
  }
}
