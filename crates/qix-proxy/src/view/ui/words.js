'use strict';
// Numbers in words, as the terminal writes them, and elements from text. Nothing here reads HTML: recordings are text of others.

/** Writes microseconds in the unit that people read. */
function timeWords(us) {
  if (us < 0) return '–';
  const ms = us / 1e3;
  if (us < 1e4) return `${ms.toFixed(1)} ms`;
  if (us < 1e6) return `${ms.toFixed(0)} ms`;
  if (us < 6e7) return `${(ms / 1e3).toFixed(1)} s`;
  const two = (number) => String(Math.floor(number)).padStart(2, '0');
  if (us < 3.6e9) return `${Math.floor(us / 6e7)} m ${two((us / 1e6) % 60)} s`;
  return `${Math.floor(us / 3.6e9)} h ${two((us / 6e7) % 60)} m`;
}

/** Writes a moment since the recording started, as finely as `step` microseconds need. */
function momentWords(us, step = 1e3) {
  const sign = us < 0 ? '−' : '';
  const abs = Math.abs(us);
  const digits = step >= 1e6 ? 0 : step >= 1e5 ? 1 : step >= 1e4 ? 2 : step >= 1e3 ? 3 : step >= 100 ? 4 : step >= 10 ? 5 : 6;
  const factor = 10 ** digits;
  const seconds = Math.round((abs / 1e6) * factor) / factor;
  if (seconds < 60) return `${sign}${seconds.toFixed(digits)} s`;
  const rest = (seconds % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, '0');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${sign}${minutes}:${rest}`;
  return `${sign}${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${rest}`;
}

/** Writes a number of bytes in the unit that people read. */
function sizeWords(bytes) {
  if (bytes < 1e3) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** Writes a number with thin spaces between thousands. */
function numberWords(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ' ');
}

/** Writes a number of things. */
function countWords(number, what) {
  return `${numberWords(number)} ${what}${number === 1 ? '' : 's'}`;
}

/** Makes an element: properties and `on…` handlers from `props`, attributes where there is a hyphen or a role, children as text or nodes. */
function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || (value === false && name !== 'spellcheck')) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value;
    else if (name === 'role' || name.includes('-') || name === 'for') node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Returns the element with this id. */
function byId(id) {
  return document.getElementById(id);
}

/** Copies text, also where the browser keeps the clipboard from pages that are files. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el('textarea', { value: text, class: 'off-screen' });
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  announce('copied');
}

/** Says something to those who hear the page rather than see it. */
function announce(text) {
  byId('status').textContent = text;
}

const EFFECTS = ['reads', 'changes the session', 'changes the app', 'changes the engine', 'may change anything'];
const NOT_FETCHED = 0;
const FETCHED_FIRST = 1;
const FETCHED_CHANGED = 2;
const FETCHED_UNCHANGED = 3;

/** Makes a button that looks like a link. */
function linkButton(text, onclick, title) {
  return el('button', { type: 'button', class: 'link', onclick, title }, text);
}
