// Downloads of models, with their progress.

import { announce } from './announce.js';
import { lines, request } from './api.js';
import { freshId, h, iconButton } from './dom.js';
import { bytes } from './figures.js';
import { models } from './models.js';

const HOW = 'By its name on the hub, or in Ollama’s library.';

export class Pulls {
  constructor() {
    const id = freshId('pull');
    this.field = h('input', { id, type: 'text', placeholder: 'mlx-community/NAME or qwen2.5-coder:1.5b', autocomplete: 'off', spellcheck: 'false' });
    this.button = h('button', { type: 'submit' }, 'Pull');
    this.note = h('p', { class: 'faint' }, HOW);
    this.list = h('ul', { class: 'pulls' });
    const onsubmit = (event) => {
      event.preventDefault();
      this.pull(this.field.value.trim());
    };
    this.element = h('section', {}, h('form', { onsubmit }, h('label', { for: id }, 'Get a model'),
      h('div', { class: 'row' }, this.field, this.button)), this.note, this.list);
  }

  // Says if this client may pull.
  allow(isAllowed) {
    this.field.disabled = this.button.disabled = !isAllowed;
    this.note.textContent = isAllowed ? HOW
      : 'This server is open to the network and has no API key, so models cannot be pulled from here.';
  }

  async pull(name) {
    if (!name) return;
    this.field.value = '';
    const control = new AbortController();
    const bar = h('progress', { 'aria-label': `Progress of ${name}` });
    const state = h('span', { class: 'faint' }, 'Asking the hub…');
    const cancel = iconButton('close', `Cancel the download of ${name}`, () => control.abort());
    const row = h('li', {}, h('div', { class: 'row' }, h('strong', {}, name), cancel), bar, state);
    this.list.append(row);
    announce(`The download of ${name} has begun`);
    let end;
    try {
      const response = await request('api/pull', { body: { model: name }, signal: control.signal });
      for await (const line of lines(response)) show(line, bar, state);
      end = 'Complete';
      bar.value = bar.max;
      await models.refresh();
    } catch (error) {
      end = error.name === 'AbortError' ? 'Cancelled. Pull again to resume.' : error.message;
      row.classList.toggle('failed', error.name !== 'AbortError');
      bar.remove();
    }
    state.textContent = end;
    announce(`${name}: ${end}`);
    cancel.replaceWith(iconButton('close', `Remove ${name} from the list`, () => {
      row.remove();
      this.field.focus();
    }));
  }
}

function show({ status, completed, total }, bar, state) {
  if (total) {
    bar.max = total;
    bar.value = completed ?? 0;
    state.textContent = `${bytes(completed ?? 0)} of ${bytes(total)}`;
  } else {
    state.textContent = status;
  }
}
