// The models of the server, and which of them are in memory. Every part of the page reads them here.

import { getJson, request } from './api.js';

class Models extends EventTarget {
  constructor() {
    super();
    // Each has `id`, `context`, `capabilities`, `size`, `details` and `modified`.
    this.all = [];
    // As the server lists them, with `id`, `context`, `weights_bytes` and others.
    this.running = [];
    // Names that are being loaded.
    this.loading = new Set();
    this.isKnown = false;
    this.mayChange = false;
  }

  find(id) {
    return this.all.find((model) => model.id === id);
  }

  loaded(id) {
    return this.running.find((model) => model.id === id);
  }

  has(id, capability) {
    return Boolean(this.find(id)?.capabilities.includes(capability));
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }

  // Reads everything again.
  async refresh() {
    const [listed, tags, running, properties] = await Promise.all([
      getJson('v1/models'), getJson('api/tags'), getJson('models'), getJson('props'),
    ]);
    const described = new Map(tags.models.map((tag) => [tag.name.replace(/:latest$/, ''), tag]));
    this.all = listed.data.map((model) => {
      const tag = described.get(model.id);
      return {
        id: model.id, context: model.context_length, modified: model.created * 1000, size: tag?.size,
        details: tag?.details ?? {}, capabilities: tag?.capabilities ?? model.capabilities,
      };
    });
    this.running = running.data;
    this.mayChange = properties.may_change_models !== false;
    this.isKnown = true;
    this.changed();
  }

  // Reads which models are in memory.
  async refreshRunning() {
    this.running = (await getJson('models')).data;
    this.changed();
  }

  async load(id, signal) {
    this.loading.add(id);
    this.changed();
    try {
      await request('models/load', { body: { model: id }, signal });
    } finally {
      this.loading.delete(id);
      await this.refreshRunning().catch(() => this.changed());
    }
  }

  async unload(id) {
    await request('models/unload', { body: { model: id } });
    await this.refreshRunning();
  }
}

export const models = new Models();

// Returns `true` if a model can answer in a conversation.
export const canChat = (model) => model.capabilities.some((it) => ['completion', 'chat', 'text-generation'].includes(it));
