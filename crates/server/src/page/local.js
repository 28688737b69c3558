// Small texts that the browser keeps. If it refuses, they last as long as the page.

const memory = new Map();

function kept(storage, name) {
  try {
    return window[storage].getItem(name) ?? null;
  } catch {
    return memory.get(name) ?? null;
  }
}

function keep(storage, name, text) {
  try {
    window[storage].setItem(name, text);
  } catch {
    memory.set(name, text);
  }
}

// Kept for this browser.
export const get = (name) => kept('localStorage', name);
export const set = (name, text) => keep('localStorage', name, text);

// Kept for this tab.
export const getHere = (name) => kept('sessionStorage', name);
export const setHere = (name, text) => keep('sessionStorage', name, text);
