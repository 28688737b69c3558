// The settings of a conversation, in a dialog. New conversations begin with those that were used last.

import { DEFAULTS } from './conversation.js';
import { byId, h, iconButton, textButton } from './dom.js';
import * as local from './local.js';
import { models } from './models.js';

const KEY = 'mlxk-settings';

// Each has a name, a label, the least and greatest value, a step, and an explanation.
const NUMBERS = [
  ['temperature', 'Temperature', 0, 2, 0.05, 'Lower is more predictable. 0 always takes the most probable token.'],
  ['top_p', 'Top p', 0, 1, 0.01, 'Only tokens that together have this probability.'],
  ['top_k', 'Top k', 0, 1000, 1, 'Only this many tokens. 0 means all.'],
  ['min_p', 'Min p', 0, 1, 0.01, 'Only tokens with this share of the best probability.'],
  ['repetition_penalty', 'Repetition penalty', 0.5, 2, 0.01, 'Above 1, repeated tokens become less probable.'],
  ['max_tokens', 'Longest answer', 1, 1_000_000, 1, 'In tokens. The context is the limit if this is empty.'],
  ['seed', 'Seed', 0, 4_294_967_295, 1, 'The same seed gives the same answer.'],
];

const EXAMPLE = '{"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}';

// Returns the settings for a new conversation.
export function remembered(current) {
  if (current) return { ...current };
  try {
    return { ...DEFAULTS, ...JSON.parse(local.get(KEY)) };
  } catch {
    return { ...DEFAULTS };
  }
}

export function remember(settings) {
  local.set(KEY, JSON.stringify(settings));
}

// Returns the reason why a schema cannot be used, or an empty text.
function problemOf(schema) {
  try {
    const value = JSON.parse(schema);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? '' : 'A schema is a JSON object';
  } catch (error) {
    return `This is not JSON: ${error.message}`;
  }
}

// Shows the settings. `changed` is called with each valid change.
export function editSettings(settings, changed) {
  const dialog = byId('settings');
  const change = (name, value) => {
    settings[name] = value;
    changed();
  };
  const system = h('textarea', {
    id: 'set-system', rows: 4, value: settings.system, placeholder: 'For example: Answer in one sentence.',
    oninput: () => change('system', system.value),
  });
  dialog.replaceChildren(h('form', { method: 'dialog' },
    h('div', { class: 'row' }, h('h2', { id: 'settings-title' }, 'Settings'), iconButton('close', 'Close', () => dialog.close())),
    h('label', { for: 'set-system' }, 'System prompt'), system,
    ...thinking(settings, change),
    ...format(settings, change),
    h('fieldset', {}, h('legend', {}, 'Sampling'), h('p', { class: 'faint' }, 'An empty field means the model’s own default.'),
      h('div', { class: 'numbers' }, ...NUMBERS.map((number) => numberField(number, settings, change)))),
    h('div', { class: 'row end' },
      textButton('Reset', () => {
        Object.assign(settings, DEFAULTS, { model: settings.model });
        changed();
        dialog.close();
      }),
      h('button', { class: 'primary' }, 'Done'))));
  // A click next to the dialog closes it.
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  if (!dialog.open) dialog.showModal();
}

function select(id, label, value, choices, onchange) {
  const options = choices.map(([choice, text]) => h('option', { value: choice, selected: choice === value }, text));
  return [h('label', { for: id }, label), h('select', { id, onchange: (event) => onchange(event.target.value) }, ...options)];
}

function thinking(settings, change) {
  if (!models.has(settings.model, 'thinking')) return [];
  const choices = [['', 'The model’s default'], ['on', 'On'], ['off', 'Off'], ['low', 'Low'], ['medium', 'Medium'], ['high', 'High']];
  return select('set-thinking', 'Reasoning', settings.thinking, choices, (value) => change('thinking', value));
}

function format(settings, change) {
  const problem = h('p', { id: 'schema-problem', class: 'problem-text', role: 'status' });
  const schema = h('textarea', {
    id: 'set-schema', rows: 6, class: 'mono', spellcheck: 'false', placeholder: EXAMPLE, 'aria-describedby': 'schema-problem',
    value: settings.schema || (settings.format === 'schema' ? EXAMPLE : ''),
  });
  const area = h('div', { class: 'schema' }, h('label', { for: 'set-schema' }, 'JSON Schema'), schema, problem);
  const check = () => {
    const is = settings.format === 'schema' ? problemOf(schema.value) : '';
    problem.textContent = is;
    schema.setAttribute('aria-invalid', String(Boolean(is)));
    if (!is) change('schema', schema.value);
  };
  schema.addEventListener('input', check);
  area.hidden = settings.format !== 'schema';
  return [
    ...select('set-format', 'Answer', settings.format, [['text', 'Text'], ['json', 'Any JSON'], ['schema', 'JSON that matches a schema']], (value) => {
      if (value === 'schema' && problemOf(schema.value)) schema.value = EXAMPLE;
      if (value === 'schema') settings.schema = schema.value;
      change('format', value);
      area.hidden = value !== 'schema';
      check();
    }),
    area,
  ];
}

function numberField([name, label, least, greatest, step, about], settings, change) {
  const id = `set-${name}`;
  const input = h('input', {
    id, type: 'number', min: least, max: greatest, step: step < 1 ? 'any' : step, inputmode: step < 1 ? 'decimal' : 'numeric',
    placeholder: 'default', 'aria-describedby': `${id}-about`, value: settings[name] ?? '',
    oninput: () => {
      if (!input.validity.valid) return;
      change(name, input.value === '' ? null : input.valueAsNumber);
    },
  });
  return h('div', {}, h('label', { for: id }, label), input, h('p', { id: `${id}-about`, class: 'faint' }, about));
}
