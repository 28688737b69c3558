// Renders Markdown while it arrives. Finished blocks are never touched again, so a long answer stays as cheap as a
// short one.

import { CodeBlock } from './code.js';
import { h } from './dom.js';
import { blocksOf, closes, fenceOf, unindented } from './markdown-blocks.js';
import { appendInline } from './markdown-inline.js';

const DEEPEST = 12;

// Renders blocks into an element.
function render(parent, lines, depth = 0) {
  for (const block of blocksOf(lines)) append(parent, block, depth);
}

// Appends a block. Returns the element that is removed again if the block changes.
function append(parent, block, depth = 0) {
  if (block.type === 'item') return appendItem(parent, block, depth);
  const element = elementOf(block, depth);
  parent.append(element);
  return element;
}

function elementOf(block, depth) {
  switch (block.type) {
    case 'heading': return inline(h(`h${Math.min(block.level + 2, 6)}`), block.text);
    case 'rule': return h('hr');
    case 'code': return new CodeBlock(block.fence.language).append(block.code.join('\n')).element;
    case 'math': return h('p', { class: 'math' }, block.text);
    case 'table': return table(block);
    case 'quote': return nested(h('blockquote'), block.lines, depth);
    default: return inline(h('p'), block.text);
  }
}

function inline(element, text) {
  appendInline(element, text);
  return element;
}

// Very deep nesting is shown as text.
function nested(element, lines, depth) {
  if (depth >= DEEPEST) element.append(lines.join('\n'));
  else render(element, lines, depth + 1);
  return element;
}

function appendItem(parent, block, depth) {
  const tag = block.number === undefined ? 'ul' : 'ol';
  let list = parent.lastElementChild;
  if (list?.localName !== tag || list.mark !== block.mark) {
    list = h(tag, { start: block.number > 1 && block.number });
    list.mark = block.mark;
    parent.append(list);
  }
  const [first = '', ...rest] = block.lines;
  const task = /^\[([ xX])\] +/.exec(first);
  const item = nested(h('li'), task ? [first.slice(task[0].length), ...rest] : block.lines, depth);
  if (task) {
    const box = h('input', { type: 'checkbox', disabled: true, checked: task[1] !== ' ', 'aria-label': 'Task' });
    (item.firstElementChild?.localName === 'p' ? item.firstElementChild : item).prepend(box, ' ');
    item.classList.add('task');
  }
  list.append(item);
  return list.children.length === 1 ? list : item;
}

function table({ head, aligns, rows }) {
  const cell = (tag) => (text, column) => inline(h(tag, { class: { r: 'right', lr: 'center' }[aligns[column]] }), text);
  const body = rows.map((row) => h('tr', {}, ...row.map(cell('td'))));
  return h('div', { class: 'table', tabindex: '0', role: 'group', 'aria-label': 'Table' }, h('table', {},
    h('thead', {}, h('tr', {}, ...head.map(cell('th')))), h('tbody', {}, ...body)));
}

// A text that grows.
export class MarkdownStream {
  constructor(element) {
    this.element = element;
    // Source of the last block, which may still change, and what it is shown as.
    this.tail = '';
    this.shown = [];
    // Block of code that is being written.
    this.open = null;
  }

  // Appends text and shows it.
  push(text) {
    this.tail += text;
    if (this.open && !this.feedCode()) return;
    for (const element of this.shown) element.remove();
    this.shown = [];
    const lines = this.tail.split('\n');
    const blocks = blocksOf(lines);
    const last = blocks.pop();
    for (const block of blocks) append(this.element, block);
    // Spaces may become the indentation of a block.
    this.tail = last ? lines.slice(last.begin).join('\n') : lines.at(-1);
    if (!last) return;
    const fence = last.type === 'code' && last.isOpen && this.tail.includes('\n') && fenceOf(lines[last.begin]);
    if (fence) this.beginCode(fence);
    else this.shown = [append(this.element, last)];
  }

  beginCode(fence) {
    const view = new CodeBlock(fence.language);
    this.element.append(view.element);
    this.open = { fence, view, atStart: true, ends: '' };
    this.tail = this.tail.slice(this.tail.indexOf('\n') + 1);
    if (this.feedCode()) this.push('');
  }

  // Moves the tail into the open block of code. Returns `true` if the block has ended.
  feedCode() {
    const { fence, view } = this.open;
    for (;;) {
      const end = this.tail.indexOf('\n');
      const line = end < 0 ? this.tail : this.tail.slice(0, end);
      if (this.open.atStart) {
        // A line that may still become the closing fence waits.
        if (end < 0 && /^ {0,3}[`~]*\r?$/.test(line)) return false;
        if (closes(line, fence)) {
          this.tail = end < 0 ? '' : this.tail.slice(end + 1);
          this.open = null;
          return true;
        }
      }
      const text = this.open.atStart ? unindented(line, fence.indent) : line;
      // The last line break belongs to the fence, so each one is shown with the line after it.
      view.append((this.open.atStart ? this.open.ends : '') + text);
      this.open.atStart = end >= 0;
      this.open.ends = '\n';
      this.tail = end < 0 ? '' : this.tail.slice(end + 1);
      if (end < 0) return false;
    }
  }

  // Shows what has waited, at the end of the text.
  finish() {
    if (this.open && this.tail.trim()) {
      if (!closes(this.tail, this.open.fence)) this.open.view.append(this.open.ends + this.tail);
      this.tail = '';
    }
  }
}

// Renders a complete text.
export function renderMarkdown(element, text) {
  const stream = new MarkdownStream(element);
  stream.push(text);
  stream.finish();
}
