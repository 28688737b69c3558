// Blocks of code with a button that copies them.

import { announce, notice } from './announce.js';
import { copyText, freshId, h } from './dom.js';

// Lines of an element of its own. The browser only lays out the last one while code arrives.
const LINES = 40;

// A block of code that grows.
export class CodeBlock {
  constructor(language = '') {
    this.code = h('code');
    this.lines = 0;
    this.last = null;
    const label = freshId('code');
    const button = h('button', { type: 'button', class: 'quiet', onclick: () => this.copy(button) }, 'Copy');
    this.element = h('figure', { class: 'code' },
      h('figcaption', {}, h('span', { id: label }, language || 'code'), button),
      h('pre', { tabindex: '0', role: 'group', 'aria-labelledby': label }, this.code));
  }

  // Appends text, which may end within a line.
  append(text) {
    for (const piece of text.split(/(?<=\n)/)) {
      if (!this.last || this.lines >= LINES) {
        this.last = document.createTextNode('');
        this.lines = 0;
        this.code.append(h('span', {}, this.last));
      }
      this.last.appendData(piece);
      if (piece.endsWith('\n')) this.lines += 1;
    }
    return this;
  }

  async copy(button) {
    try {
      await copyText(this.code.textContent);
    } catch (error) {
      notice(`The code was not copied: ${error.message}`);
      return;
    }
    announce('Code copied');
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  }
}
