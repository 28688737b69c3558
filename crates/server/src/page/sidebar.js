// The list of conversations, and the drawer that it is in on small screens.

import { announce, notice } from './announce.js';
import { asMarkdown, branch } from './conversation.js';
import { askForName, confirmed } from './dialogs.js';
import { byId, download, h, icon, iconButton } from './dom.js';
import { day } from './figures.js';
import * as store from './store.js';
import { exported, imported } from './transfer.js';

export class Sidebar {
  // `start` begins a new conversation.
  constructor(chat, start) {
    this.chat = chat;
    this.start = start;
    this.all = [];
    byId('menu').append(icon('menu'));
    byId('menu').addEventListener('click', () => this.drawer(!this.isOpen));
    byId('shade').addEventListener('click', () => this.drawer(false));
    byId('side').addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.isOpen) this.drawer(false);
    });
    byId('new').addEventListener('click', () => {
      this.drawer(false);
      start();
    });
    byId('search').addEventListener('input', () => this.draw());
    byId('export').addEventListener('click', () => this.exportAll());
    byId('import').addEventListener('click', () => byId('import-file').click());
    byId('import-file').addEventListener('change', (event) => this.importFile(event.target));
    chat.addEventListener('saved', () => this.refresh());
    chat.addEventListener('change', () => this.mark());
    matchMedia('(min-width: 820px)').addEventListener('change', () => this.drawer(false));
  }

  get isOpen() {
    return document.body.classList.contains('drawer');
  }

  // Opens or closes the drawer. What is behind it cannot be reached meanwhile.
  drawer(isOpen) {
    if (isOpen === this.isOpen) return;
    document.body.classList.toggle('drawer', isOpen);
    byId('shade').hidden = !isOpen;
    byId('page').inert = isOpen;
    byId('menu').setAttribute('aria-expanded', String(isOpen));
    if (isOpen) byId('side').querySelector('a, button').focus();
    else byId('menu').focus();
  }

  async refresh() {
    this.all = await store.conversations();
    this.draw();
  }

  draw() {
    const wanted = byId('search').value.trim().toLowerCase();
    const found = this.all.filter(({ title }) => title.toLowerCase().includes(wanted));
    const items = [];
    let group;
    for (const conversation of found) {
      const when = day(conversation.updated);
      if (when !== group) items.push(h('li', { class: 'group' }, when));
      group = when;
      items.push(this.item(conversation));
    }
    if (!items.length) items.push(h('li', { class: 'faint' }, wanted ? 'Nothing found' : 'Nothing yet'));
    byId('conversations').replaceChildren(...items);
    this.mark();
  }

  item(conversation) {
    const title = conversation.title || 'Conversation';
    const link = h('a', { href: `#chat/${conversation.id}`, 'data-id': conversation.id, onclick: () => this.drawer(false) }, title);
    return h('li', { class: 'conversation' }, link,
      iconButton('edit', `Rename "${title}"`, () => this.rename(conversation)),
      iconButton('download', `Save "${title}" as Markdown`, () => this.saveMarkdown(conversation)),
      iconButton('trash', `Delete "${title}"`, () => this.remove(conversation)));
  }

  mark() {
    for (const link of byId('conversations').querySelectorAll('a')) {
      if (link.dataset.id === this.chat.conversation.id) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
  }

  async rename(conversation) {
    const title = await askForName('Rename this conversation', conversation.title);
    if (title === null) return;
    // The one that is shown is saved again with its next message.
    if (conversation.id === this.chat.conversation.id) this.chat.conversation.title = title;
    await store.putConversation({ ...conversation, title });
    await this.refresh();
    announce('Conversation renamed');
    byId('conversations').querySelector(`a[data-id="${conversation.id}"]`)?.focus();
  }

  async saveMarkdown(conversation) {
    const messages = await store.messagesOf(conversation.id);
    download('conversation.md', asMarkdown(conversation, branch(messages, conversation.leaf)), 'text/markdown');
  }

  async remove(conversation) {
    const text = `"${conversation.title}" will be removed from this browser.`;
    if (!(await confirmed('Delete this conversation?', text, 'Delete'))) return;
    this.chat.forget(conversation.id);
    await store.remove(conversation.id);
    await this.refresh();
    announce('Conversation deleted');
    if (conversation.id === this.chat.conversation.id) this.start();
    byId('new').focus();
  }

  async exportAll() {
    if (!this.all.length) {
      notice('There are no conversations to export');
      return;
    }
    download('mlxk-conversations.json', await exported(this.all), 'application/json');
  }

  async importFile(input) {
    const [file] = input.files;
    input.value = '';
    if (!file) return;
    try {
      const number = await imported(await file.text());
      await this.refresh();
      announce(`${number} ${number === 1 ? 'conversation' : 'conversations'} imported`);
    } catch (error) {
      notice(error.message);
    }
  }
}
