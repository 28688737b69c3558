// Builds elements. Texts become text nodes, never markup.

const SVG = 'http://www.w3.org/2000/svg';

// Drawn on a grid of 24 units.
const ICONS = {
  menu: 'M4 7h16M4 12h16M4 17h10',
  settings: 'M4 7h9m6 0h1M4 17h1m6 0h9M19 7a3 3 0 1 1-6 0 3 3 0 0 1 6 0M11 17a3 3 0 1 1-6 0 3 3 0 0 1 6 0',
  send: 'M12 19V5m-6 6 6-6 6 6',
  stop: 'M7 7h10v10H7z',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  edit: 'M4 20h4L19 9l-4-4L4 16zM13 7l4 4',
  again: 'M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6',
  more: 'M12 5v10m-5-5 5 5 5-5M5 20h14',
  previous: 'm14 6-6 6 6 6',
  next: 'm10 6 6 6-6 6',
  image: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  download: 'M12 4v11m-5-4 5 5 5-5M5 20h14',
  close: 'm6 6 12 12M18 6 6 18',
};

export const byId = (id) => document.getElementById(id);

// Returns an element. Properties that begin with `on` are listeners, and others are attributes. `false` and `null`
// leave one out.
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked') element[name] = value;
    else if (value !== false && value != null) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

// Returns a button with an icon. Its label is for screen readers, and a tip for others.
export function iconButton(name, label, onclick, more = {}) {
  return h('button', { type: 'button', class: 'icon', 'aria-label': label, title: label, onclick, ...more }, icon(name));
}

export function textButton(text, onclick, more = {}) {
  return h('button', { type: 'button', onclick, ...more }, text);
}

let counter = 0;

// Returns a new id for an element.
export const freshId = (prefix) => `${prefix}-${++counter}`;

// Offers text as a file.
export function download(name, text, kind) {
  const address = URL.createObjectURL(new Blob([text], { type: kind }));
  h('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

// Copies text. Pages that came over plain HTTP from another machine have no clipboard, so it selects and copies then.
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h('textarea', { class: 'hidden', value: text, 'aria-hidden': 'true' });
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  before?.focus();
  if (!copied) throw new Error('The browser does not allow this page to copy');
}
