// Images of messages: read, made smaller, shown and sent.

import { h, iconButton } from './dom.js';

// Longest side in pixels. Models see fewer.
const LONGEST = 1568;
const KINDS = ['image/png', 'image/jpeg', 'image/webp', 'image/gif'];

// Returns an image as it is kept and sent. Fails if the file is not an image that browsers can read.
export async function prepared(file) {
  if (!KINDS.includes(file.type)) throw new Error(`"${file.name}" is not a PNG, JPEG, WebP or GIF image`);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`"${file.name}" cannot be read as an image`);
  }
  const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
  if (scale === 1 && file.type !== 'image/gif') return new Blob([file], { type: file.type });
  const canvas = h('canvas', { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const kind = file.type === 'image/jpeg' ? 'image/jpeg' : 'image/png';
  return new Promise((resolve) => { canvas.toBlob(resolve, kind, 0.9); });
}

export function toDataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

// Reads an image from a file of conversations.
export async function fromDataUrl(text) {
  const found = /^data:(image\/(?:png|jpeg|webp|gif));base64,([A-Za-z0-9+/=]*)$/.exec(text);
  if (!found) throw new Error('The file has an image that is not a PNG, JPEG, WebP or GIF');
  return new Blob([Uint8Array.from(atob(found[2]), (letter) => letter.charCodeAt(0))], { type: found[1] });
}

// Returns an image for a list. `onremove` adds a button that takes it out.
export function picture(blob, label, onremove) {
  const address = URL.createObjectURL(blob);
  const image = h('img', { src: address, alt: label, onload: () => URL.revokeObjectURL(address) });
  return h('li', {}, image, onremove && iconButton('close', `Remove ${label.toLowerCase()}`, onremove));
}
