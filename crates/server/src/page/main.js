// Starts the page: views, shortcuts, and the choice of the model.

import { notice } from './announce.js';
import { getJson, onKeyNeeded } from './api.js';
import { BenchView } from './bench-view.js';
import { Chat, welcome } from './chat.js';
import { Composer } from './composer.js';
import { askForKey, showShortcuts } from './dialogs.js';
import { byId, h, icon } from './dom.js';
import { count } from './figures.js';
import * as local from './local.js';
import { ModelsView } from './models-view.js';
import { canChat, models } from './models.js';
import { editSettings, remember } from './settings.js';
import { Sidebar } from './sidebar.js';
import * as store from './store.js';

const VIEWS = ['chat', 'models', 'benchmark'];

onKeyNeeded(askForKey);
const chat = new Chat();
const composer = new Composer(chat);
const sidebar = new Sidebar(chat, start);
const modelsView = new ModelsView((id) => {
  start();
  choose(id);
});
new BenchView();

// Begins a new conversation.
function start() {
  chat.start();
  if (location.hash !== '#chat') history.pushState(null, '', '#chat');
  route();
  composer.text.focus();
}

// Shows the view and the conversation that the address names.
async function route() {
  const [wanted, id] = location.hash.slice(1).split('/');
  const view = VIEWS.includes(wanted) ? wanted : 'chat';
  for (const name of VIEWS) byId(`view-${name}`).hidden = name !== view;
  document.body.dataset.view = view;
  for (const link of document.querySelectorAll('a[data-view]')) {
    if (link.dataset.view === view) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  modelsView.show(view === 'models');
  sidebar.drawer(false);
  if (view === 'chat' && id && id !== chat.conversation.id) {
    const found = (await store.conversations()).find((conversation) => conversation.id === id);
    if (found) await chat.open(found);
    else notice('This conversation is not in this browser');
  }
  if (view === 'chat') composer.grow();
  title();
}

function title() {
  const view = document.body.dataset.view;
  const name = view === 'chat' ? chat.conversation.title : view[0].toUpperCase() + view.slice(1);
  document.title = name ? `${name} · mlxk` : 'mlxk';
}

// Sets the model of the conversation.
function choose(id) {
  const { settings } = chat.conversation;
  settings.model = id;
  remember(settings);
  if (chat.conversation.title) store.putConversation(chat.conversation).catch(() => {});
  chat.changed();
}

// Shows the models that can chat, those in memory first.
function showModels() {
  const { conversation } = chat;
  const usable = models.all.filter(canChat);
  if (models.isKnown && !models.find(conversation.settings.model)) {
    conversation.settings.model = (usable.find(({ id }) => models.loaded(id)) ?? usable[0])?.id ?? '';
  }
  const { model } = conversation.settings;
  const select = byId('model');
  const option = ({ id }) => h('option', { value: id, selected: id === model }, id.split('/').at(-1));
  const groups = [['In memory', usable.filter(({ id }) => models.loaded(id))], ['On disk', usable.filter(({ id }) => !models.loaded(id))]];
  select.replaceChildren(...groups.filter(([, list]) => list.length).map(([label, list]) => h('optgroup', { label }, ...list.map(option))));
  select.disabled = !usable.length || chat.isAnswering;
  select.title = model;
  byId('model-state').textContent = stateOf(model);
  byId('welcome').replaceChildren(...welcome(models.find(model), models.loaded(model)));
}

function stateOf(model) {
  if (!model) return models.isKnown ? 'No model' : '';
  if (models.loading.has(model)) return 'Loading…';
  const running = models.loaded(model);
  return running ? `In memory, ${count(running.context)} tokens of context` : 'Loads with the first message';
}

function openSettings() {
  editSettings(chat.conversation.settings, () => {
    remember(chat.conversation.settings);
    if (chat.conversation.title) store.putConversation(chat.conversation).catch(() => {});
    chat.changed();
  });
}

function shortcut(event) {
  if (document.querySelector('dialog[open]')) return;
  const isCommand = event.ctrlKey || event.metaKey;
  if (event.key === 'Escape' && chat.isAnswering) chat.stop();
  else if (isCommand && event.key.toLowerCase() === 'k') {
    sidebar.drawer(matchMedia('(max-width: 819px)').matches);
    byId('search').focus();
  } else if (isCommand && event.shiftKey && event.key.toLowerCase() === 'o') start();
  else if (isCommand && event.key === ',') openSettings();
  else if (isCommand && event.key === '/') showShortcuts();
  else return;
  event.preventDefault();
}

function chooseTheme(theme) {
  local.set('mlxk-theme', theme);
  document.documentElement.dataset.theme = theme;
}

// The address keeps naming the conversation.
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  const view = document.body.dataset.view;
  (view === 'chat' ? composer.text : byId(`view-${view}`)).focus();
});
byId('settings-open').append(icon('settings'));
byId('settings-open').addEventListener('click', openSettings);
byId('help').addEventListener('click', showShortcuts);
byId('model').addEventListener('change', (event) => choose(event.target.value));
byId('theme').value = local.get('mlxk-theme') ?? '';
byId('theme').addEventListener('change', (event) => chooseTheme(event.target.value));
document.addEventListener('keydown', shortcut);
addEventListener('hashchange', route);
models.addEventListener('change', showModels);
chat.addEventListener('change', () => {
  showModels();
  title();
});
// The address of a conversation survives a reload.
chat.addEventListener('saved', () => {
  const hash = `#chat/${chat.conversation.id}`;
  if (document.body.dataset.view === 'chat' && chat.conversation.title && location.hash !== hash) history.replaceState(null, '', hash);
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) (models.isKnown ? models.refreshRunning() : models.refresh()).catch(() => {});
});

await route();
await sidebar.refresh();
if (!(await store.isLasting())) notice('This browser keeps no data for this page, so conversations end with it');
try {
  await models.refresh();
  byId('version').textContent = (await getJson('health')).version;
} catch (error) {
  notice(error.message);
}
if (matchMedia('(pointer: fine)').matches && document.body.dataset.view === 'chat') composer.text.focus();
