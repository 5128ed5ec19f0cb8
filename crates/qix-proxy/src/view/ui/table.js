'use strict';
// A table of any length: only the rows that are seen are in the page.

const ROW_HEIGHT = 26;
// Browsers lay out no taller boxes; beyond, the scroll bar stands for more rows than pixels.
const TALLEST = 8e6;

/**
 * Columns are {title, cell(item) → text or node, sort?(item) → number or text, width, right?, title?}. Items may be numbers.
 * `open(item)` is called for a click and for Enter, `pick(item)` when the arrows move to one.
 */
class Table {
  constructor({ label, columns, open, pick, look, empty, sort = -1, down = true }) {
    Object.assign(this, { label, columns, open, pick, look, empty: empty ?? 'nothing', sortedBy: sort, down });
    this.items = [];
    this.order = null;
    this.current = -1;
    this.first = -1;
    this.head = el('div', { class: 'table-head', role: 'row' });
    this.body = el('div', { class: 'table-body', role: 'rowgroup' });
    this.space = el('div', { class: 'table-space', role: 'presentation' }, this.body);
    this.none = el('p', { class: 'empty', hidden: true });
    this.scroller = el('div', { class: 'table', role: 'grid', tabIndex: 0, 'aria-label': label }, this.head, this.space, this.none);
    this.scroller.addEventListener('scroll', () => this.draw(), { passive: true });
    this.scroller.addEventListener('keydown', (event) => this.key(event));
    this.body.addEventListener('click', (event) => {
      if (event.target.closest('button')) return;
      const row = event.target.closest('[data-row]');
      if (row) this.go(Number(row.dataset.row), true);
    });
    new ResizeObserver(() => this.draw(true)).observe(this.scroller);
    this.drawHead();
  }

  get node() {
    return this.scroller;
  }

  /** Shows these items; with `keep` those that were there before are where they were. */
  show(items) {
    const picked = this.item(this.current);
    this.items = items;
    this.reorder();
    // Sums are made anew each time: their key says which is which.
    const same = picked?.key === undefined ? picked : items.find((item) => item.key === picked.key);
    this.current = same === undefined ? -1 : this.placeOf(same);
    this.draw(true);
  }

  /** Marks an item, and scrolls to it. */
  mark(item) {
    const place = this.placeOf(item);
    if (place === this.current) return;
    this.current = place;
    if (place >= 0) this.reveal(place);
    this.draw(true);
  }

  placeOf(item) {
    return this.order ? this.order.indexOf(this.items.indexOf(item)) : this.items.indexOf(item);
  }

  item(place) {
    return this.items[this.order ? this.order[place] : place];
  }

  reorder() {
    const column = this.columns[this.sortedBy];
    if (!column?.sort) {
      this.order = null;
      return;
    }
    const keys = Array.from(this.items, column.sort);
    const order = Array.from(keys, (_, i) => i);
    const sign = this.down ? -1 : 1;
    order.sort((a, b) => (keys[a] < keys[b] ? -sign : keys[a] > keys[b] ? sign : a - b));
    this.order = order;
  }

  drawHead() {
    const grid = this.columns.map((column) => column.width ?? '1fr').join(' ');
    this.scroller.style.setProperty('--columns', grid);
    this.scroller.style.setProperty('--least', `${this.columns.reduce((sum, column) => sum + (column.least ?? (parseInt(column.width, 10) || 90)) + 12, 0)}px`);
    this.head.replaceChildren(...this.columns.map((column, at) => {
      const sorted = at === this.sortedBy;
      const title = column.sort
        ? el('button', { type: 'button', class: 'sort', onclick: () => this.sortBy(at), title: column.help }, column.title, sorted ? (this.down ? ' ▾' : ' ▴') : '')
        : column.title;
      return el('div', {
        role: 'columnheader',
        class: column.right ? 'cell right' : 'cell',
        'aria-sort': sorted ? (this.down ? 'descending' : 'ascending') : undefined,
      }, title);
    }));
  }

  sortBy(at) {
    if (this.sortedBy === at) this.down = !this.down;
    else Object.assign(this, { sortedBy: at, down: Boolean(this.columns[at].right) });
    this.drawHead();
    this.head.children[at].querySelector('button').focus();
    this.show(this.items);
  }

  get rows() {
    return Math.max(1, Math.ceil((this.scroller.clientHeight - this.head.offsetHeight) / ROW_HEIGHT));
  }

  reveal(place) {
    const { scroller } = this;
    const room = this.rows * ROW_HEIGHT;
    const top = place * ROW_HEIGHT * this.factor();
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + 2 * ROW_HEIGHT > scroller.scrollTop + room) scroller.scrollTop = top - room + 2 * ROW_HEIGHT;
  }

  factor() {
    return Math.min(1, TALLEST / (this.items.length * ROW_HEIGHT || 1));
  }

  draw(anew = false) {
    const length = this.items.length;
    if (!this.scroller.clientHeight) return;
    const factor = this.factor();
    const first = Math.max(0, Math.min(Math.floor(this.scroller.scrollTop / ROW_HEIGHT / factor) - 4, length - this.rows));
    if (first === this.first && !anew) return;
    this.first = first;
    this.space.style.height = `${length * ROW_HEIGHT * factor}px`;
    this.none.hidden = length > 0;
    this.none.textContent = this.empty;
    this.scroller.setAttribute('aria-rowcount', length);
    this.body.style.transform = `translateY(${first * ROW_HEIGHT * factor}px)`;
    const rows = [];
    for (let place = first; place < Math.min(length, first + this.rows + 8); place += 1) rows.push(this.row(place));
    this.body.replaceChildren(...rows);
    if (this.current >= 0) this.scroller.setAttribute('aria-activedescendant', `${this.id()}-${this.current}`);
  }

  id() {
    return this.label.replace(/\W+/g, '-').toLowerCase();
  }

  row(place) {
    const item = this.item(place);
    const look = this.look?.(item) ?? '';
    const row = el('div', {
      class: `row ${look}${place === this.current ? ' current' : ''}`,
      role: 'row',
      id: `${this.id()}-${place}`,
      'aria-rowindex': place + 1,
      'aria-selected': String(place === this.current),
    });
    row.dataset.row = place;
    for (const column of this.columns) {
      const content = column.cell(item);
      row.append(el('div', { role: 'gridcell', class: column.right ? 'cell right' : 'cell', title: typeof content === 'string' && content.length > 14 ? content : undefined }, content));
    }
    return row;
  }

  go(place, opens) {
    if (!this.items.length) return;
    this.current = Math.max(0, Math.min(place, this.items.length - 1));
    this.reveal(this.current);
    this.draw(true);
    const item = this.item(this.current);
    if (opens) this.open?.(item);
    else this.pick?.(item);
  }

  key(event) {
    if (event.target !== this.scroller || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: this.rows - 1, PageUp: 1 - this.rows, Home: -this.items.length, End: this.items.length };
    if (event.key in steps) this.go(this.current + steps[event.key], false);
    else if ((event.key === 'Enter' || event.key === ' ') && this.current >= 0) this.go(this.current, true);
    else return;
    event.preventDefault();
  }
}
