'use strict';
// Light and dark, the keys of the whole page, and the help that lists them.

const KEYS = [
  ['Everywhere', [
    ['/', 'search'], ['n  N', 'next hit, hit before'], ['1 – 9', 'open a tab'], ['e', 'only failed calls'], ['t', 'light or dark'], ['p', 'pause and resume, while live'], ['?', 'this help'], ['Esc', 'close, deselect, clear'],
  ]],
  ['Timeline', [
    ['← →', 'call before, next call of the object'], ['↑ ↓', 'nearest call of the object above, below'], ['Enter', 'open the call'], ['+  −  0', 'zoom in, out, show all'],
    ['z', 'zoom to the call and what it caused'], ['a  d', 'earlier, later'], ['Home  End', 'beginning, end'], ['c', 'fold the connection'],
  ]],
  ['With mouse or fingers', [
    ['wheel', 'scroll; with Ctrl, or on the ruler, zoom; with Shift, earlier and later'], ['drag', 'move; on the ruler or with Shift, zoom to what is dragged over'], ['pinch', 'zoom'], ['double click', 'zoom to a call'], ['name of a row', 'only its calls; of a connection, fold it'],
  ]],
  ['Lists and trees', [
    ['↑ ↓ PgUp PgDn', 'move'], ['Enter', 'open'], ['← →', 'fold, unfold'], ['c', 'copy the value'],
  ]],
];

/** Tells apart what only looks like dashes and arrows: solid arrows are fetches, dashed ones changes. */
const LEGEND = 'Arrows of the selected call: dashed ones lead to the objects that it made change, solid ones to the calls that fetched them again, or from the call because of which it fetched. The engine does not say what made an object change; it is concluded from the order of calls and answers.';

function addTheme(app) {
  const root = document.documentElement;
  const system = matchMedia('(prefers-color-scheme: dark)');
  let stored = null;
  try {
    stored = localStorage.getItem('qix-theme');
  } catch {
    // Pages that are files may have no storage.
  }
  const set = (theme) => {
    root.dataset.theme = theme;
    app.recolour();
  };
  set(stored ?? (system.matches ? 'dark' : 'light'));
  system.addEventListener('change', () => {
    if (!stored) set(system.matches ? 'dark' : 'light');
  });
  app.turnTheme = () => {
    stored = root.dataset.theme === 'dark' ? 'light' : 'dark';
    try {
      localStorage.setItem('qix-theme', stored);
    } catch {
      // Then it is so until the page is closed.
    }
    set(stored);
  };
  byId('theme').addEventListener('click', app.turnTheme);
}

function addPageKeys(app) {
  const dialog = byId('keys');
  dialog.append(
    el('div', { class: 'detail-head' }, el('h2', { id: 'keys-title' }, 'Keys'), el('button', { type: 'button', class: 'tool', 'aria-label': 'Close', onclick: () => dialog.close() }, '✕')),
    el('div', { class: 'keys' }, KEYS.map(([title, keys]) => el('section', {}, el('h3', {}, title), el('dl', {}, keys.map(([key, words]) => [el('dt', {}, el('kbd', {}, key)), el('dd', {}, words)]).flat())))),
    el('p', { class: 'dim' }, LEGEND));
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  byId('help').addEventListener('click', () => dialog.showModal());
  const keys = {
    '/': () => {
      byId('search').focus();
      byId('search').select();
    },
    '?': () => dialog.showModal(),
    n: () => app.jump(1),
    N: () => app.jump(-1),
    e: () => app.setFilter({ errors: !app.filter.errors }),
    t: () => app.turnTheme(),
    Escape: () => {
      if (app.selected >= 0) {
        const back = byId('detail').contains(document.activeElement);
        app.select(-1);
        if (back) app.view.panel.querySelector('[tabindex="0"]')?.focus();
      } else if (app.filter.isOn) app.clearFilter();
    },
  };
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    const isTyping = event.target.closest('input, select, textarea, [contenteditable]');
    if (isTyping) {
      if (event.key === 'Escape') event.target.blur();
      return;
    }
    const digit = /^[1-9]$/.test(event.key) ? app.views[Number(event.key) - 1] : undefined;
    if (!digit && !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    if (digit) app.open(digit.id);
    else keys[event.key]();
  });
}
