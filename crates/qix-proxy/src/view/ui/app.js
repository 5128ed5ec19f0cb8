'use strict';
// Puts the page together: views in tabs, one filter, one selected call, keys. It does not know where the data comes from.

/** Views that others add: functions that take the app and return {id, title, node, update(), count?(), selected?(i)}. */
const MORE_VIEWS = [];

class App {
  constructor(source) {
    this.source = source;
    this.store = new Store();
    this.filter = new Filter(this.store);
    this.selected = -1;
    this.colours = readColours();
    this.timeline = new Timeline(this);
    this.panel = new DetailPanel(this);
    const charts = new Charts(this);
    this.views = [
      { id: 'timeline', title: 'Timeline', node: this.timeline.node, update: () => this.timeline.update(), selected: () => this.timeline.draw() },
      callsView(this),
      methodsView(this),
      objectsView(this),
      errorsView(this),
      { id: 'charts', title: 'Charts', node: charts.node, update: () => charts.update() },
      findingsView(this),
      sessionView(this),
      ...MORE_VIEWS.map((view) => view(this)),
    ];
    this.makeTabs();
    this.wire();
    this.updates = 0;
    this.meta(source.meta);
    this.open(this.views.some(({ id }) => `#${id}` === location.hash) ? location.hash.slice(1) : 'timeline');
    this.ready = Promise.resolve(source.start((batch) => this.add(batch))).then(() => {
      document.documentElement.dataset.ready = 'yes';
    });
  }

  /** Takes in what is known of the recording; may be called again when more is known. */
  meta(meta) {
    if (!meta) return;
    byId('name').textContent = meta.name ?? 'qix-proxy';
    byId('name').title = [meta.started, meta.upstream, meta.tool].filter(Boolean).join('\n');
    document.title = `${meta.name ?? 'recording'} – qix-proxy`;
    this.started = meta.started;
    if (meta.rules) this.store.rules = meta.rules;
    const notes = byId('notes');
    notes.hidden = !meta.notes?.length;
    notes.replaceChildren(...(meta.notes ?? []).map((note) => el('p', {}, note)));
  }

  add(batch) {
    this.store.add(batch);
    this.later();
  }

  /** Shows what is new, a few times a second, and more rarely where that takes long. */
  later() {
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      const before = performance.now();
      this.update();
      this.cost = performance.now() - before;
      if (this.updates === 1) performance.mark('shown');
    }, this.updates === 0 ? 0 : Math.max(200, 8 * (this.cost ?? 0)));
  }

  update() {
    this.updates += 1;
    this.facts();
    this.hits();
    this.view.update();
    for (const view of this.views) {
      const count = view.count?.();
      view.badge.textContent = count ? numberWords(count) : '';
    }
  }

  facts() {
    const { store } = this;
    const fact = (value, what, look, onclick) => (onclick ? el('button', { type: 'button', class: `fact ${look}`, onclick }, el('b', {}, value), ` ${what}`) : el('span', { class: `fact ${look}` }, el('b', {}, value), ` ${what}`));
    const plural = (number, what) => (number === 1 ? what : `${what}s`);
    byId('facts').replaceChildren(
      fact(numberWords(store.size), plural(store.size, 'call')),
      store.failed ? fact(numberWords(store.failed), 'failed', 'failure', () => this.open('errors')) : fact('0', 'failed', ''),
      fact(numberWords(store.connections.size), plural(store.connections.size, 'connection')),
      fact(timeWords(store.duration), 'long', ''),
      store.findings.length ? fact(numberWords(store.findings.length), plural(store.findings.length, 'finding'), 'odd', () => this.open('findings')) : '',
      this.started ? el('span', { class: 'fact dim since' }, `since ${this.started.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')}`) : '');
  }

  makeTabs() {
    const tabs = byId('tabs');
    for (const view of this.views) {
      view.badge = el('small', {});
      view.tab = el('button', {
        type: 'button', role: 'tab', id: `tab-${view.id}`, 'aria-controls': `view-${view.id}`, onclick: () => this.open(view.id),
      }, view.title, view.badge);
      view.panel = el('div', { class: 'view', role: 'tabpanel', id: `view-${view.id}`, 'aria-labelledby': `tab-${view.id}`, hidden: true }, view.node);
      tabs.append(view.tab);
      byId('main').append(view.panel);
    }
    tabs.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const at = this.views.indexOf(this.view);
      this.open(this.views[(at + step + this.views.length) % this.views.length].id);
      this.view.tab.focus();
    });
  }

  open(id) {
    const next = this.views.find((view) => view.id === id);
    if (!next) return;
    this.view = next;
    hideTip();
    for (const view of this.views) {
      view.panel.hidden = view !== next;
      view.tab.setAttribute('aria-selected', String(view === next));
      view.tab.tabIndex = view === next ? 0 : -1;
    }
    document.body.dataset.view = id;
    next.tab.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    if (this.updates) next.update();
  }

  /** Selects a call, or none with -1. `quiet` leaves a closed panel closed, `reveal` brings the call into sight. */
  select(i, { reveal = false, quiet = false } = {}) {
    const isNew = i !== this.selected;
    this.selected = i;
    if (i < 0) {
      this.panel.close();
    } else {
      const { store } = this;
      if (!quiet || !this.panel.node.hidden) this.panel.show(i);
      if (isNew) announce(`${store.methodName(i)} of ${store.objectName(i)}, ${timeWords(store.latency(i))}${store.error[i] >= 0 ? ', failed' : ''}`);
    }
    if (this.view.id === 'timeline') {
      if (reveal && i >= 0) this.timeline.reveal(i);
      this.timeline.draw();
    } else this.view.selected?.(i);
    this.hits();
  }

  selectSeq(seq) {
    const i = this.store.indexOf(seq);
    if (i >= 0) this.select(i, { reveal: true });
  }

  focusDetail() {
    if (this.selected < 0) return;
    this.panel.show(this.selected);
    this.panel.node.querySelector('button')?.focus();
  }

  setFilter(changes) {
    this.filter.set(changes);
    // What is being typed keeps its blanks.
    if ('text' in changes && byId('search').value.trim() !== changes.text) byId('search').value = changes.text;
    if ('errors' in changes) byId('only-errors').checked = changes.errors;
    if ('slower' in changes) this.showSlower(changes.slower);
    const chips = this.filter.chips().map(([words, without]) => el('button', { type: 'button', class: 'chip', title: 'Take this filter away', onclick: () => this.setFilter(without) }, words, ' ✕'));
    if (this.filter.isOn) chips.push(el('button', { type: 'button', class: 'chip plain', onclick: () => this.clearFilter() }, 'clear'));
    byId('chips').replaceChildren(...chips);
    this.hits();
    if (this.updates) this.view.update();
  }

  showSlower(slower) {
    const select = byId('slower');
    const value = String(slower);
    const hasIt = [...select.options].some((option) => option.value === value);
    if (!hasIt) select.append(el('option', { value }, timeWords(slower)));
    select.value = value;
  }

  clearFilter() {
    this.filter.clear();
    this.setFilter({ text: '', errors: false, slower: 0 });
  }

  filterRow(number, name = this.store.nameOf(number)) {
    this.setFilter({ row: this.store.rowOf(number), rowName: name });
  }

  hits() {
    const { filter } = this;
    const hits = filter.isOn ? filter.hits() : [];
    const at = filter.isOn ? hits.indexOf(this.selected) : -1;
    byId('hits').textContent = filter.isOn ? `${at >= 0 ? `${numberWords(at + 1)} of ` : ''}${countWords(hits.length, 'call')}` : '';
    byId('hit-before').disabled = byId('hit-after').disabled = !hits.length;
  }

  /** Goes to the next call that matches, in the order of time. */
  jump(step) {
    const hits = this.filter.hits();
    if (!hits.length || !this.filter.isOn) return;
    const { at } = this.store;
    const order = Int32Array.from(hits).sort((a, b) => at[a] - at[b] || a - b);
    const place = order.indexOf(this.selected);
    const next = place < 0 ? (step > 0 ? 0 : order.length - 1) : (place + step + order.length) % order.length;
    this.select(order[next], { reveal: true });
  }

  wire() {
    const typed = () => this.setFilter({ text: byId('search').value.trim() });
    byId('search').addEventListener('input', () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(typed, 120);
    });
    byId('search').addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && byId('search').value) {
        event.stopPropagation();
        this.setFilter({ text: '' });
      }
    });
    byId('filter').addEventListener('submit', (event) => {
      event.preventDefault();
      clearTimeout(this.typing);
      typed();
      this.jump(1);
    });
    byId('only-errors').addEventListener('change', (event) => this.setFilter({ errors: event.target.checked }));
    byId('slower').addEventListener('change', (event) => this.setFilter({ slower: Number(event.target.value) }));
    byId('hit-before').addEventListener('click', () => this.jump(-1));
    byId('hit-after').addEventListener('click', () => this.jump(1));
    addTheme(this);
    addPageKeys(this);
    this.setFilter({});
  }

  /** Draws anew what is drawn rather than styled. */
  recolour() {
    this.colours = readColours();
    if (this.updates) this.view.update();
  }
}

/** Starts the page with a source: {kind, meta, start(onBatch), detail(seq) → Promise<{request, answer, result, error, cut}>}. */
function boot(source) {
  window.app = new App(source);
  return window.app;
}
