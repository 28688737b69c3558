// The dialogs that ask for something: the API key, a name, and a confirmation.

import { byId, h, textButton } from './dom.js';

// Shows a dialog and returns its return value once it is closed.
function shown(dialog) {
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue), { once: true });
  });
}

// Asks for the API key. Returns `null` if the user gives none.
export async function askForKey(wrong) {
  const dialog = byId('key');
  const field = h('input', { id: 'key-field', type: 'password', autocomplete: 'current-password', required: true });
  dialog.replaceChildren(h('form', { method: 'dialog' },
    h('h2', { id: 'key-title' }, 'API key'),
    h('p', {}, wrong ? 'The server refused the key. Enter the right one.' : 'This server asks for a key. It stays in this tab only.'),
    h('label', { for: 'key-field' }, 'Key'), field,
    h('div', { class: 'row end' },
      textButton('Cancel', () => dialog.close()),
      h('button', { class: 'primary', value: 'given' }, 'Continue'))));
  return (await shown(dialog)) === 'given' ? field.value.trim() : null;
}

// Asks for a name. Returns `null` if the user keeps the old one.
export async function askForName(title, name) {
  const dialog = byId('confirm');
  const field = h('input', { id: 'name-field', value: name, required: true, maxlength: 120, autofocus: true, 'aria-labelledby': 'confirm-title' });
  dialog.replaceChildren(h('form', { method: 'dialog' },
    h('h2', { id: 'confirm-title' }, title), field,
    h('div', { class: 'row end' },
      textButton('Cancel', () => dialog.close()),
      h('button', { class: 'primary', value: 'given' }, 'Save'))));
  const answer = shown(dialog);
  field.select();
  const given = (await answer) === 'given' ? field.value.trim() : '';
  return given && given !== name ? given : null;
}

// Asks if something should be done. Returns `true` if so.
export async function confirmed(title, text, verb) {
  const dialog = byId('confirm');
  dialog.replaceChildren(h('form', { method: 'dialog' },
    h('h2', { id: 'confirm-title' }, title),
    h('p', {}, text),
    h('div', { class: 'row end' },
      h('button', { value: '', autofocus: true }, 'Cancel'),
      h('button', { class: 'danger', value: 'done' }, verb))));
  return (await shown(dialog)) === 'done';
}

const SHORTCUTS = [
  ['Enter', 'Send the message'],
  ['Shift+Enter', 'Start a new line'],
  ['Esc', 'Stop the answer'],
  ['↑ in an empty message box', 'Edit your last message'],
  ['Ctrl+K', 'Search conversations'],
  ['Ctrl+Shift+O', 'Start a new conversation'],
  ['Ctrl+,', 'Open the settings of this conversation'],
  ['Ctrl+/', 'Show this list'],
];

export function showShortcuts() {
  const dialog = byId('shortcuts');
  const rows = SHORTCUTS.map(([keys, text]) => h('div', {}, h('dt', {}, h('kbd', {}, keys)), h('dd', {}, text)));
  dialog.replaceChildren(h('form', { method: 'dialog' },
    h('h2', { id: 'shortcuts-title' }, 'Keyboard shortcuts'),
    h('dl', { class: 'shortcuts' }, ...rows),
    h('div', { class: 'row end' }, h('button', { class: 'primary' }, 'Close'))));
  if (!dialog.open) dialog.showModal();
}
