// Emphasis, code, links and the like within a paragraph, as nodes. Nothing of the text becomes markup.

import { h } from './dom.js';

const ESCAPED = /^[!-/:-@[-`{-~]/;
const SPECIAL = /[\\`*_~[\]!<&$\nh]/g;
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };
const isSpace = (letter) => letter === '' || /\s/.test(letter);
const isPunctuation = (letter) => /[\p{P}\p{S}]/u.test(letter);

// Appends the nodes of a text.
export function appendInline(parent, text) {
  parent.append(...emphasized(entriesOf(text)));
}

// Returns texts, nodes and the marks of emphasis in their order.
function entriesOf(text) {
  const state = { text, at: 0, entries: [], brackets: [], unclosed: new Set() };
  while (state.at < text.length) {
    SPECIAL.lastIndex = state.at;
    const next = SPECIAL.exec(text)?.index ?? text.length;
    if (next > state.at) state.entries.push({ text: text.slice(state.at, next) });
    state.at = next;
    if (next < text.length) special(state, text[next]);
  }
  return state.entries;
}

// Adds what begins with a special letter. A letter without a meaning here is text.
function special(state, letter) {
  const read = READERS[letter];
  if (!read?.(state)) {
    state.entries.push({ text: letter });
    state.at += 1;
  }
}

const READERS = {
  '\\': escape, '`': codeSpan, '*': marks, '_': marks, '~': marks, '[': openBracket, '!': openBracket,
  ']': closeBracket, '<': angle, '&': entity, $: dollars, '\n': lineBreak, h: bareLink,
};

function take(state, node, length) {
  state.entries.push({ node });
  state.at += length;
  return true;
}

function escape(state) {
  const rest = state.text.slice(state.at + 1, state.at + 2);
  if (rest === '\n') return take(state, h('br'), 2);
  if (rest === '(') return math(state, '\\(', '\\)');
  if (!ESCAPED.test(rest)) return false;
  return take(state, document.createTextNode(rest), 2);
}

function codeSpan(state) {
  const ticks = /^`+/.exec(state.text.slice(state.at))[0];
  // A search that failed once fails again further on.
  const close = state.unclosed.has(ticks) ? -1 : closing(state.text, ticks, state.at + ticks.length);
  if (close < 0) {
    state.unclosed.add(ticks);
    return take(state, document.createTextNode(ticks), ticks.length);
  }
  let code = state.text.slice(state.at + ticks.length, close).replaceAll('\n', ' ');
  if (code.trim() && code.startsWith(' ') && code.endsWith(' ')) code = code.slice(1, -1);
  return take(state, h('code', {}, code), close + ticks.length - state.at);
}

// Returns the place of exactly these ticks, or -1.
function closing(text, ticks, from) {
  for (let at = text.indexOf(ticks, from); at >= 0; at = text.indexOf(ticks, at)) {
    let end = at;
    while (text[end] === '`') end += 1;
    if (end - at === ticks.length) return at;
    at = end;
  }
  return -1;
}

function dollars(state) {
  const { text, at } = state;
  if (text.startsWith('$$', at)) return math(state, '$$', '$$');
  const found = /^\$([^\s$](?:[^$\n]*[^\s$\\])?)\$(?!\d)/.exec(text.slice(at, at + 400));
  return Boolean(found) && take(state, h('span', { class: 'math' }, found[1]), found[0].length);
}

function math(state, open, close) {
  const end = state.unclosed.has(close) ? -1 : state.text.indexOf(close, state.at + open.length);
  if (end < 0) {
    state.unclosed.add(close);
    return false;
  }
  const node = h('span', { class: 'math' }, state.text.slice(state.at + open.length, end).trim());
  return take(state, node, end + close.length - state.at);
}

function marks(state) {
  const { text, at } = state;
  const mark = text[at];
  let end = at;
  while (text[end] === mark) end += 1;
  const [before, after] = [text.slice(at - 1, at), text.slice(end, end + 1)];
  const opensLeft = !isSpace(after) && (!isPunctuation(after) || isSpace(before) || isPunctuation(before));
  const closesRight = !isSpace(before) && (!isPunctuation(before) || isSpace(after) || isPunctuation(after));
  const isWord = mark === '_';
  state.entries.push({
    mark, count: end - at, whole: end - at,
    opens: opensLeft && (!isWord || !closesRight || isPunctuation(before)),
    closes: closesRight && (!isWord || !opensLeft || isPunctuation(after)),
  });
  state.at = end;
  return true;
}

function openBracket(state) {
  const isImage = state.text[state.at] === '!';
  if (isImage && state.text[state.at + 1] !== '[') return false;
  const entry = { text: isImage ? '![' : '[', isImage };
  state.brackets.push({ entry, index: state.entries.length });
  state.entries.push(entry);
  state.at += entry.text.length;
  return true;
}

function closeBracket(state) {
  const open = state.brackets.pop();
  const target = /^\]\([ \t\n]*(?:<([^<>\n]*)>|((?:[^\s()]|\((?:[^\s()])*\))*))(?:[ \t\n]+(?:"[^"]*"|'[^']*'|\([^()]*\)))?[ \t\n]*\)/
    .exec(state.text.slice(state.at, state.at + 4000));
  if (!open || !target) return false;
  const inner = emphasized(state.entries.splice(open.index + 1));
  state.entries.pop();
  state.brackets = state.brackets.filter((other) => other.index < open.index);
  // A link within a link is text.
  if (!open.entry.isImage) state.brackets = state.brackets.filter((other) => other.entry.isImage);
  const address = target[1] ?? target[2] ?? '';
  // An image would be fetched from a stranger, so it becomes a link.
  const label = inner.length ? inner : [address];
  return take(state, link(address, label), target[0].length);
}

// Returns a link, or its text alone if its address is not one of the web.
function link(address, nodes) {
  if (!/^(?:https?:\/\/|mailto:)/i.test(address)) return h('span', {}, ...nodes);
  return h('a', { href: address, target: '_blank', rel: 'noopener noreferrer' }, ...nodes);
}

function angle(state) {
  const rest = state.text.slice(state.at, state.at + 2000);
  const found = /^<(https?:\/\/[^\s<>]+|[\w.+-]+@[\w.-]+\.\w+)>/i.exec(rest);
  if (found) {
    const address = found[1].includes('://') ? found[1] : `mailto:${found[1]}`;
    return take(state, link(address, [found[1]]), found[0].length);
  }
  const lineBreak = /^<br ?\/?>/i.exec(rest);
  return Boolean(lineBreak) && take(state, h('br'), lineBreak[0].length);
}

function bareLink(state) {
  const { text, at } = state;
  if (!/^https?:\/\//.test(text.slice(at, at + 8)) || /\w/.test(text.slice(at - 1, at))) return false;
  let [address] = /^[^\s<>"`]+/.exec(text.slice(at, at + 2000));
  for (;;) {
    const closesMore = address.endsWith(')') && address.split(')').length > address.split('(').length;
    if (!closesMore && !/[.,;:!?'*_~\]]$/.test(address)) break;
    address = address.slice(0, -1);
  }
  return address.length > 8 && take(state, link(address, [address]), address.length);
}

function entity(state) {
  const found = /^&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|(\w{2,6}));/.exec(state.text.slice(state.at, state.at + 12));
  if (!found) return false;
  const code = found[1] ? Number(found[1]) : Number.parseInt(found[2], 16);
  const letter = found[3] ? ENTITIES[found[3]] : code > 0 && code <= 0x10ffff && String.fromCodePoint(code);
  return Boolean(letter) && take(state, document.createTextNode(letter), found[0].length);
}

function lineBreak(state) {
  const before = state.entries.at(-1);
  const isHard = before?.text?.endsWith('  ');
  if (before?.text) before.text = before.text.trimEnd();
  return take(state, isHard ? h('br') : document.createTextNode('\n'), 1);
}

// Returns the nodes of entries. Marks of emphasis become elements from the inside out, others text.
function emphasized(entries) {
  // Below these places, closing marks of a kind have found no opening one.
  const floors = new Map();
  for (let at = 0; at < entries.length; at += 1) {
    const closer = entries[at];
    if (!closer.closes || !closer.count) continue;
    const kind = `${closer.mark}${closer.opens}${closer.whole % 3}`;
    let from = at - 1;
    while (from >= (floors.get(kind) ?? 0) && !matches(entries[from], closer)) from -= 1;
    if (from < (floors.get(kind) ?? 0)) {
      floors.set(kind, at);
      continue;
    }
    const opener = entries[from];
    const used = closer.mark === '~' ? closer.count : Math.min(opener.count, closer.count, 2);
    const tag = closer.mark === '~' ? 'del' : used === 2 ? 'strong' : 'em';
    const inner = entries.splice(from + 1, at - from - 1).map(nodeOf);
    entries.splice(from + 1, 0, { node: h(tag, {}, ...inner) });
    opener.count -= used;
    closer.count -= used;
    at = from + 1;
    for (const [other, floor] of floors) floors.set(other, Math.min(floor, at));
  }
  return entries.map(nodeOf).filter((node) => node !== '');
}

function matches(opener, closer) {
  if (opener.mark !== closer.mark || !opener.opens || !opener.count) return false;
  if (closer.mark === '~') return opener.count === closer.count && closer.count < 3;
  const isMixed = (opener.closes || closer.opens) && (opener.whole + closer.whole) % 3 === 0;
  return !isMixed || (opener.whole % 3 === 0 && closer.whole % 3 === 0);
}

const nodeOf = (entry) => entry.node ?? entry.text ?? entry.mark.repeat(entry.count);
