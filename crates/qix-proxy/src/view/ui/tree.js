'use strict';
// JSON as a tree that folds: children are made when somebody opens their parent, and some hundred at a time.

const TREE_STEP = 200;
// Small values are shown unfolded at once.
const TREE_OPEN = 12;

/** Parses JSON; numbers that a double does not hold, or that are written in another way, stay as they are written. */
function treeParse(text) {
  if (!JSON.rawJSON) return JSON.parse(text);
  const exact = (key, value, context) => (typeof value === 'number' && String(value) !== context.source ? JSON.rawJSON(context.source) : value);
  return JSON.parse(text, exact);
}

/** Whether a value is a number that is kept as it is written. */
function isWritten(value) {
  return JSON.isRawJSON?.(value) ?? false;
}

/** Makes a tree of a value. */
function jsonTree(value, label) {
  const tree = el('ul', { class: 'tree', role: 'tree', 'aria-label': label });
  tree.append(treeItem('', value, 0));
  const first = tree.querySelector('.tree-line');
  if (first) first.tabIndex = 0;
  tree.addEventListener('keydown', treeKey);
  return tree;
}

function treeItem(name, value, depth) {
  const isFolder = value !== null && typeof value === 'object' && !isWritten(value) && Object.keys(value).length > 0;
  const line = el('div', { class: 'tree-line', tabIndex: -1, role: 'treeitem' });
  const item = el('li', { role: 'none' }, line);
  line.append(el('span', { class: 'tree-mark', 'aria-hidden': 'true' }, isFolder ? '▸' : ''));
  if (name !== '') line.append(el('span', { class: 'tree-name' }, name), ': ');
  line.append(isFolder ? el('span', { class: 'tree-sum' }, treeSummary(value)) : treeLeaf(value));
  line.append(el('button', {
    type: 'button', class: 'tree-copy', tabIndex: -1, title: 'Copy this value', 'aria-label': 'copy',
    onclick: (event) => {
      event.stopPropagation();
      copyText(typeof value === 'string' ? value : JSON.stringify(value, null, 2));
    },
  }, '⧉'));
  if (isFolder) {
    const fold = (open) => treeFold(item, line, value, depth, open);
    item.fold = fold;
    line.setAttribute('aria-expanded', 'false');
    line.addEventListener('click', () => {
      fold(line.getAttribute('aria-expanded') !== 'true');
      treeFocus(line);
    });
    if (depth === 0 || (depth < 3 && Object.keys(value).length <= TREE_OPEN && JSON.stringify(value).length < 600)) fold(true);
  }
  return item;
}

function treeFold(item, line, value, depth, open) {
  line.setAttribute('aria-expanded', String(open));
  line.firstChild.textContent = open ? '▾' : '▸';
  const known = item.querySelector(':scope > ul');
  if (known) {
    known.hidden = !open;
    return;
  }
  if (!open) return;
  const list = el('ul', { role: 'group' });
  item.append(list);
  treeMore(list, value, depth, 0);
}

function treeMore(list, value, depth, from) {
  const isList = Array.isArray(value);
  const keys = isList ? null : Object.keys(value);
  const length = isList ? value.length : keys.length;
  const until = Math.min(length, from + TREE_STEP);
  for (let at = from; at < until; at += 1) {
    const key = isList ? at : keys[at];
    list.append(treeItem(String(key), value[key], depth + 1));
  }
  if (until < length) {
    const more = linkButton(`${countWords(length - until, 'more value')}…`, () => {
      more.parentNode.remove();
      treeMore(list, value, depth, until);
    });
    list.append(el('li', { class: 'tree-more', role: 'none' }, more));
  }
}

function treeSummary(value) {
  if (Array.isArray(value)) return `[ ${countWords(value.length, 'value')} ]`;
  const keys = Object.keys(value);
  const some = keys.slice(0, 4).join(', ');
  return `{ ${some.length > 60 ? `${some.slice(0, 60)}…` : some}${keys.length > 4 ? `, +${keys.length - 4}` : ''} }`;
}

function treeLeaf(value) {
  if (isWritten(value)) return el('span', { class: 'tree-number' }, value.rawJSON);
  const kind = value === null ? 'null' : typeof value;
  const text = kind === 'string' ? JSON.stringify(value) : kind === 'object' ? (Array.isArray(value) ? '[]' : '{}') : String(value);
  const node = el('span', { class: `tree-${kind}` }, text.length > 2000 ? `${text.slice(0, 2000)}…` : text);
  if (text.length > 2000) node.title = sizeWords(text.length);
  return node;
}

function treeFocus(line) {
  for (const other of line.closest('.tree').querySelectorAll('.tree-line[tabindex="0"]')) other.tabIndex = -1;
  line.tabIndex = 0;
  line.focus();
}

function treeKey(event) {
  const line = event.target.closest('.tree-line');
  if (!line || event.ctrlKey || event.metaKey || event.altKey) return;
  const lines = [...event.currentTarget.querySelectorAll('.tree-line')].filter((other) => other.offsetParent !== null);
  const at = lines.indexOf(line);
  const item = line.parentNode;
  const isOpen = line.getAttribute('aria-expanded') === 'true';
  const keys = {
    ArrowDown: () => lines[at + 1],
    ArrowUp: () => lines[at - 1],
    Home: () => lines[0],
    End: () => lines[lines.length - 1],
    ArrowRight: () => (item.fold && !isOpen ? (item.fold(true), line) : lines[at + 1]),
    ArrowLeft: () => (item.fold && isOpen ? (item.fold(false), line) : item.parentNode.closest('li')?.querySelector('.tree-line')),
    Enter: () => (item.fold?.(!isOpen), line),
    ' ': () => (item.fold?.(!isOpen), line),
    c: () => (item.querySelector('.tree-copy').click(), line),
  };
  if (!(event.key in keys)) return;
  event.preventDefault();
  event.stopPropagation();
  const to = keys[event.key]();
  if (to) treeFocus(to);
}
