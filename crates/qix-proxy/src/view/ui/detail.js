'use strict';
// The panel of one call: facts, what made it and what it made, the answer and the request as trees, and the frames as they were written.

const DETAIL_VIEWS = [['answer', 'Answer'], ['request', 'Request'], ['raw', 'Raw frames']];

class DetailPanel {
  constructor(app) {
    this.app = app;
    this.node = byId('detail');
    this.view = 'answer';
    this.shown = -1;
  }

  close() {
    this.node.hidden = true;
    this.shown = -1;
    this.node.replaceChildren();
  }

  show(i) {
    const { store } = this.app;
    this.node.hidden = false;
    if (this.shown === i) return;
    this.shown = i;
    const error = store.errorWords(i);
    this.content = el('div', { class: 'said', role: 'tabpanel', id: 'said' });
    this.tabs = el('div', { class: 'subtabs', role: 'tablist', 'aria-label': 'What was said' });
    const parts = [
      el('div', { class: 'detail-head' },
        el('h2', {}, store.methodName(i), el('small', {}, ` #${store.seq[i]}`)),
        el('button', { type: 'button', class: 'tool', title: 'Close (Esc)', 'aria-label': 'Close', onclick: () => this.app.select(-1) }, '✕')),
      el('p', { class: 'detail-object' }, linkButton(store.objectName(i), () => this.app.filterRow(store.object[i]), 'Only the calls of this object')),
      error ? el('p', { class: 'failure' }, '✗ ', error) : null,
      this.split(i),
      this.facts(i),
      ...this.causes(i),
      ...this.findings(i),
      this.tabs,
      this.content,
    ];
    this.node.replaceChildren(...parts.filter(Boolean));
    this.node.scrollTop = 0;
    this.load(i);
  }

  /** The two shares of the latency, as wide as they are long. */
  split(i) {
    const { store } = this.app;
    const latency = store.latency(i);
    if (latency < 0) return null;
    const bar = el('div', { class: 'split', 'aria-hidden': 'true' }, el('i', { class: 'wait' }), el('i', { class: 'transfer' }));
    const share = latency ? (store.wait[i] / latency) * 100 : 100;
    bar.firstChild.style.width = `${share}%`;
    bar.lastChild.style.width = `${100 - share}%`;
    return bar;
  }

  facts(i) {
    const { store } = this.app;
    const latency = store.latency(i);
    const object = store.objects.get(store.object[i]);
    const facts = [
      ['at', momentWords(store.at[i])],
      ['took', latency < 0 ? 'no answer' : timeWords(latency)],
      ['waiting', latency < 0 ? '–' : timeWords(store.wait[i])],
      ['transfer', latency < 0 ? '–' : timeWords(store.transfer[i])],
      ['sent', sizeWords(store.sent[i])],
      ['answer', sizeWords(store.bytes[i])],
      ['connection', linkButton(`#${store.conn[i]}`, () => this.app.setFilter({ conn: store.conn[i] }), 'Only the calls of this connection')],
      ['effect', EFFECTS[store.effect[i]]],
    ];
    if (object) {
      facts.push(['object', `${object.class || 'class not known'}, handle ${object.handle}`]);
      if (object.id) facts.push(['id', object.id]);
      if (object.by >= 0 && store.indexOf(object.by) >= 0) facts.push(['opened by', this.link(object.by)]);
    }
    return el('dl', { class: 'facts' }, facts.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))));
  }

  link(seq, words) {
    const i = this.app.store.indexOf(seq);
    if (i < 0) return `#${seq}`;
    const { store } = this.app;
    return linkButton(words ?? `${store.methodName(i)} of ${store.objectName(i)} #${seq}`, () => this.app.select(i, { reveal: true }));
  }

  causes(i) {
    const { store } = this.app;
    const parts = [];
    if (store.fetch[i] === FETCHED_FIRST) parts.push(el('p', { class: 'why' }, 'Fetched for the first time.'));
    if (store.fetch[i] === FETCHED_UNCHANGED) parts.push(el('p', { class: 'why odd' }, 'Fetched again, although nothing had changed since the last answer.'));
    if (store.fetch[i] === FETCHED_CHANGED) {
      parts.push(el('p', { class: 'why' }, '← Fetched again because of ', store.by[i] >= 0 ? this.link(store.by[i]) : 'a change', '.'));
    }
    const seq = store.seq[i];
    const changed = (store.changesBy.get(seq) ?? []).flatMap((change) => change.objects);
    const fetches = store.fetchesBy.get(seq) ?? [];
    if (changed.length || fetches.length) {
      const some = fetches.slice(0, 8).map((fetch) => el('li', {}, this.link(store.seq[fetch]), ` ${timeWords(store.latency(fetch))}`));
      const rest = fetches.length > 8 ? el('li', {}, `and ${countWords(fetches.length - 8, 'more call')}`) : null;
      parts.push(el('details', { class: 'caused', open: true },
        el('summary', {}, `→ Changed ${countWords(new Set(changed).size, 'object')}, fetched again by ${countWords(fetches.length, 'call')}`),
        el('ul', {}, some, rest)));
    }
    return parts;
  }

  findings(i) {
    const found = this.app.store.findingsOf.get(this.app.store.seq[i]) ?? [];
    return found.slice(0, 5).map((finding) => el('p', { class: 'why odd' }, linkButton(finding.rule, () => this.app.open('findings')), ` ${finding.words}${finding.count > 1 ? ` × ${numberWords(finding.count)}` : ''}`));
  }

  async load(i) {
    this.content.replaceChildren(el('p', { class: 'dim' }, 'reading…'));
    let detail;
    try {
      detail = await this.app.source.detail(this.app.store.seq[i]);
    } catch (error) {
      detail = { error: String(error?.message ?? error) };
    }
    if (this.shown !== i) return;
    this.tabs.replaceChildren(...DETAIL_VIEWS.map(([id, title]) => el('button', {
      type: 'button', role: 'tab', id: `said-${id}`, 'aria-controls': 'said', 'aria-selected': String(id === this.view), tabIndex: id === this.view ? 0 : -1,
      onclick: () => this.turn(id, detail),
    }, title)));
    this.tabs.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const at = DETAIL_VIEWS.findIndex(([id]) => id === this.view);
      this.turn(DETAIL_VIEWS[(at + step + DETAIL_VIEWS.length) % DETAIL_VIEWS.length][0], detail);
      this.tabs.querySelector('[aria-selected=true]').focus();
    };
    this.turn(this.view, detail);
  }

  turn(view, detail) {
    this.view = view;
    for (const tab of this.tabs.children) {
      const isOn = tab.id === `said-${view}`;
      tab.setAttribute('aria-selected', String(isOn));
      tab.tabIndex = isOn ? 0 : -1;
    }
    this.content.setAttribute('aria-labelledby', `said-${view}`);
    this.content.replaceChildren(...(detail.error ? [el('p', { class: 'dim' }, detail.error)] : this.said(view, detail)));
  }

  said(view, { request, answer, result, cut }) {
    if (view === 'raw') {
      return [['request', '→', request], ['answer', '←', answer]].flatMap(([name, arrow, text]) => [
        el('h3', {}, `${arrow} ${name} `, text ? linkButton('copy', () => copyText(text)) : null),
        cutNote(cut?.[name], text),
        text ? el('pre', { tabIndex: 0, 'aria-label': name }, text) : el('p', { class: 'dim' }, 'none'),
      ]).filter(Boolean);
    }
    if (view === 'request') return tree(request, cut?.request, 'request', (frame) => frame.params ?? frame);
    if (result) return [el('p', { class: 'dim' }, 'With the patches of the delta applied.'), ...tree(result, cut?.result, 'answer', (frame) => frame)];
    return tree(answer, cut?.answer, 'answer', (frame) => frame.error ?? frame.result ?? frame);
  }
}

function cutNote(bytes, text) {
  const more = window.app.source.kind === 'report' ? '; --bodies embeds more, up to 1 MiB of each text' : '';
  return bytes ? el('p', { class: 'why odd' }, `Cut: the first ${sizeWords(new TextEncoder().encode(text).length)} of ${sizeWords(bytes)}${more}.`) : null;
}

function tree(text, cut, label, part) {
  if (!text) return [el('p', { class: 'dim' }, `There is no ${label}.`)];
  let value;
  try {
    value = part(treeParse(text));
  } catch {
    return [cutNote(cut, text), el('pre', { tabIndex: 0, 'aria-label': label }, text)].filter(Boolean);
  }
  return [
    el('p', { class: 'acts' }, linkButton('copy all', () => copyText(JSON.stringify(value, null, 2)))),
    jsonTree(value, label),
  ];
}
