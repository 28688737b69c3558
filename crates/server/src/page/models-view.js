// The view of the server's models: what is here, what is in memory, and downloads.

import { notice } from './announce.js';
import { getJson } from './api.js';
import { byId, freshId, h, textButton } from './dom.js';
import { bytes, count, seconds } from './figures.js';
import { canChat, models } from './models.js';
import { Pulls } from './pull.js';

// Time between two looks at the memory while the view is shown, in milliseconds.
const INTERVAL = 5000;
const KINDS = { tools: 'tools', thinking: 'reasoning', vision: 'images', insert: 'fills gaps', embedding: 'embeddings', rerank: 'ranking', audio: 'audio' };

export class ModelsView {
  // `use` begins a conversation with a model.
  constructor(use) {
    this.use = use;
    this.filter = h('input', { type: 'search', placeholder: 'Filter', 'aria-label': 'Filter models', oninput: () => this.draw() });
    this.list = h('ul', { class: 'cards' });
    this.summary = h('p', { class: 'faint' });
    this.pulls = new Pulls();
    byId('view-models').append(h('div', { class: 'column' },
      h('h1', { id: 'models-title' }, 'Models'), this.summary, this.pulls.element,
      h('div', { class: 'row' }, h('h2', { class: 'label' }, 'On this server'), this.filter), this.list,
      h('p', { class: 'faint' }, 'Damaged and unsupported models are not listed; ', h('code', {}, 'mlxk health'), ' names them.')));
    models.addEventListener('change', () => this.draw());
  }

  show(isShown) {
    clearInterval(this.timer);
    if (!isShown) return;
    this.draw();
    models.refresh().catch((error) => notice(error.message));
    this.timer = setInterval(() => { if (!document.hidden) models.refreshRunning().catch(() => {}); }, INTERVAL);
    this.describeServer().catch(() => {});
  }

  async describeServer() {
    this.health = await getJson('health');
    this.draw();
  }

  draw() {
    if (byId('view-models').hidden) return;
    const used = models.running.reduce((sum, model) => sum + model.weights_bytes + model.kv_bytes, 0);
    const { health } = this;
    this.summary.textContent = [
      health && `mlxk ${health.version}, ${health.status}, up for ${seconds(health.uptime_s)}`,
      `${count(models.running.length)} in memory${used ? ` (${bytes(used)})` : ''}`,
    ].filter(Boolean).join(' · ');
    this.pulls.allow(models.mayChange);
    const wanted = this.filter.value.trim().toLowerCase();
    const shown = models.all.filter((model) => model.id.toLowerCase().includes(wanted));
    const focused = document.activeElement?.closest?.('[data-model]')?.dataset.model;
    const action = document.activeElement?.dataset?.action;
    this.list.replaceChildren(...shown.map((model) => this.card(model)));
    if (!shown.length) this.list.append(h('li', { class: 'faint' }, wanted ? 'Nothing found' : 'There is no model yet.'));
    // The list is new, so the focus has to return to where it was.
    const before = focused && [...this.list.children].find((card) => card.dataset.model === focused);
    if (before && action) (before.querySelector(`[data-action="${action}"]`) ?? before.querySelector('button'))?.focus();
  }

  card(model) {
    const running = models.loaded(model.id);
    const isLoading = models.loading.has(model.id);
    // A local folder has a path as its name.
    const cut = model.id.lastIndexOf('/') + 1;
    const { parameter_size: parameters, quantization_level: level, family } = model.details;
    const title = freshId('model');
    const facts = [parameters && `${parameters} parameters`, level, model.size && bytes(model.size),
      model.context && `${count(model.context)} tokens`, family];
    return h('li', { class: 'card', 'data-model': model.id, 'aria-labelledby': title },
      h('div', {},
        h('h3', { id: title }, cut > 0 && h('span', { class: 'faint' }, model.id.slice(0, cut)), model.id.slice(cut)),
        h('p', { class: 'faint' }, facts.filter(Boolean).join(' · ')),
        h('p', { class: 'chips' }, ...model.capabilities.filter((it) => KINDS[it]).map((it) => h('span', { class: 'chip' }, KINDS[it]))),
        h('p', { class: running ? 'state on' : 'state' }, stateOf(running, isLoading))),
      h('div', { class: 'row' },
        canChat(model) && textButton('Chat', () => this.use(model.id), { 'data-action': 'chat', class: 'primary' }),
        running ? textButton('Unload', () => this.change(models.unload(model.id)), { 'data-action': 'load', disabled: running.requests > 0 })
          : textButton('Load', () => this.change(models.load(model.id)), { 'data-action': 'load', disabled: isLoading })));
  }

  async change(work) {
    try {
      await work;
    } catch (error) {
      notice(error.message);
    }
  }
}

function stateOf(running, isLoading) {
  if (isLoading) return 'Loading…';
  if (!running) return 'On disk';
  const parts = [`In memory: ${bytes(running.weights_bytes + running.kv_bytes)}`, `context ${count(running.context)}`, running.device];
  if (running.requests) parts.push(`${count(running.requests)} running`);
  else if (running.expires_in_s != null) parts.push(`unloads in ${seconds(running.expires_in_s)}`);
  return parts.join(' · ');
}
