// Messages for screen readers, and notices for everyone.

import { byId } from './dom.js';

let hiding;

// Says a sentence to screen readers. Saying the same again needs a change of the text.
export function announce(text) {
  const region = byId('status');
  region.textContent = '';
  setTimeout(() => { region.textContent = text; }, 50);
}

// Shows a problem for a while. Its role makes screen readers say it.
export function notice(text) {
  const box = byId('notice');
  box.textContent = text;
  box.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { box.hidden = true; }, 8000);
}
