'use strict';
// What is around the calls: connections and their sessions, selections, reloads, plain HTTP, notices; and what rules have found.

function sessionView(app) {
  const { store } = app;
  const sections = [
    section('Connections', connectionsTable(app), () => [...store.connections.values(), ...store.refused]),
    section('Selections over time', selectionsTable(app), () => store.selections.filter(({ words, state }) => words || state)),
    section('Reloads and saves', reloads(app), () => [...new Set(store.progress.map(({ seq }) => seq))]),
    section('HTTP exchanges', exchangesTable(app), () => store.exchanges),
    section('What else happened', noticesTable(app), () => store.notices),
  ];
  const node = el('div', { class: 'sections' }, sections.map(({ node: each }) => each));
  return { id: 'session', title: 'Session', node, update: () => sections.forEach((each) => each.update()), count: () => store.connections.size };
}

function section(title, shown, items) {
  const count = el('small', {});
  const node = el('section', {}, el('h2', {}, title, ' ', count), shown.node);
  return {
    node,
    update: () => {
      const now = items();
      count.textContent = numberWords(now.length);
      node.hidden = !now.length;
      shown.node.style.height = shown instanceof Table ? `${Math.min(12, now.length + 1.3) * ROW_HEIGHT + 8}px` : '';
      shown.show(now);
    },
  };
}

function connectionsTable(app) {
  const { store } = app;
  const end = (connection) => (connection.refused === null ? store.ends.get(connection.conn) : undefined);
  return new Table({
    label: 'Connections',
    look: (connection) => (connection.refused || end(connection)?.clean === false && !end(connection)?.open ? 'failed' : ''),
    open: (connection) => connection.conn && app.setFilter({ conn: connection.conn }),
    columns: [
      { title: 'conn', width: '48px', right: true, cell: ({ conn }) => (conn ? `#${conn}` : '–') },
      { title: 'session', width: '62px', right: true, cell: ({ session }) => (session ? String(session) : '–'), sort: ({ session }) => session },
      { title: 'opened', width: '96px', right: true, cell: ({ at }) => momentWords(at), sort: ({ at }) => at },
      { title: 'lived', width: '80px', right: true, cell: (connection) => (end(connection) ? timeWords(end(connection).at - connection.at) : '–') },
      { title: 'path', width: 'minmax(140px, 1fr)', least: 140, cell: ({ url }) => url },
      { title: 'how it went', width: 'minmax(180px, 2fr)', least: 180, cell: (connection) => {
        if (connection.refused) return `✗ turned away: ${connection.refused}`;
        const attached = connection.attached === true ? 'attached to the session; ' : '';
        const over = end(connection);
        return `${attached}${over ? over.words : 'open'}${over?.unanswered ? `; ${countWords(over.unanswered, 'call')} without an answer` : ''}`;
      } },
    ],
  });
}

function selectionsTable(app) {
  const state = (selection) => (selection.state ?? []).map(([field, selected]) => `${field}: ${selected}`).join('; ');
  return new Table({
    label: 'Selections',
    open: ({ seq }) => app.selectSeq(seq),
    columns: [
      { title: 'at', width: '96px', right: true, cell: ({ at }) => momentWords(at), sort: ({ at }) => at },
      { title: 'conn', width: '48px', right: true, cell: ({ conn }) => `#${conn}` },
      { title: 'what was done', width: 'minmax(200px, 2fr)', least: 200, cell: ({ words }) => words },
      { title: 'selected then', width: 'minmax(160px, 1.5fr)', least: 160, cell: (selection) => (selection.state?.length === 0 ? 'nothing' : state(selection)) },
    ],
  });
}

function reloads(app) {
  const { store } = app;
  const node = el('ul', { class: 'reloads' });
  const show = (seqs) => {
    node.replaceChildren(...seqs.slice(0, 200).map((seq) => {
      const i = store.indexOf(seq);
      const steps = store.progress.filter((progress) => progress.seq === seq);
      const last = steps[steps.length - 1];
      const errors = steps.flatMap((step) => step.errors);
      return el('li', {},
        el('div', {}, i >= 0 ? linkButton(`${store.methodName(i)} of ${store.objectName(i)}`, () => app.selectSeq(seq)) : `call #${seq}`,
          i >= 0 ? ` took ${timeWords(store.latency(i))}` : ''),
        el('progress', { max: 100, value: last.percent ?? 0, 'aria-label': 'done' }), ` ${last.percent ?? '?'} %`,
        el('ol', {}, steps.filter((step, at) => step.text && step.text !== steps[at - 1]?.text).slice(-30).map((step) => el('li', {}, el('span', { class: 'dim' }, momentWords(step.at)), ` ${step.text}`))),
        errors.slice(0, 20).map((error) => el('p', { class: 'failure' }, `✗ ${error}`)));
    }));
  };
  return { node, show };
}

function exchangesTable() {
  return new Table({
    label: 'HTTP exchanges',
    look: ({ failure }) => (failure ? 'failed' : ''),
    columns: [
      { title: 'at', width: '96px', right: true, cell: ({ at }) => momentWords(at), sort: ({ at }) => at },
      { title: 'method', width: '64px', cell: ({ method }) => method, sort: ({ method }) => method },
      { title: 'status', width: '56px', right: true, cell: ({ status }) => String(status ?? '–'), sort: ({ status }) => status ?? 0 },
      { title: 'path', width: 'minmax(180px, 2fr)', least: 180, cell: ({ url }) => url, sort: ({ url }) => url },
      { title: 'took', width: '74px', right: true, cell: ({ took }) => timeWords(took), sort: ({ took }) => took },
      { title: 'answer', width: '74px', right: true, cell: ({ bytes }) => sizeWords(bytes), sort: ({ bytes }) => bytes },
      { title: 'notes', width: 'minmax(80px, 1fr)', least: 80, cell: ({ failure }) => (failure ? `✗ ${failure}` : '') },
    ],
  });
}

function noticesTable() {
  return new Table({
    label: 'Notices',
    look: ({ weight }) => (weight === 2 ? 'failed' : weight === 1 ? 'odd' : ''),
    columns: [
      { title: 'at', width: '96px', right: true, cell: ({ at }) => momentWords(at), sort: ({ at }) => at },
      { title: 'conn', width: '48px', right: true, cell: ({ conn }) => (conn ? `#${conn}` : '') },
      { title: 'what', width: '1fr', least: 240, cell: ({ words, weight }) => `${weight === 2 ? '✗ ' : weight === 1 ? '! ' : ''}${words}` },
    ],
  });
}

const FINDINGS_SHOWN = 20;

function findingsView(app) {
  const { store } = app;
  const node = el('div', { class: 'sections findings' });
  const shown = new Map();
  const update = () => {
    const rules = new Map();
    for (const finding of store.findings) pushTo(rules, finding.rule, finding);
    if (!rules.size) {
      const isOver = app.source.kind !== 'inspect' || app.source.phase === 'ended';
      const words = isOver ? 'No rule has found anything.' : 'Rules tell what they have found when all of the recording was read; qix-proxy lint FILE does so, too.';
      node.replaceChildren(el('p', { class: 'empty' }, words));
      return;
    }
    node.replaceChildren(...[...rules].map(([rule, findings]) => {
      const about = store.rules?.[rule];
      const most = shown.get(rule) ?? FINDINGS_SHOWN;
      return el('section', { class: 'finding' },
        el('h2', {}, rule, ' ', el('small', {}, numberWords(findings.length))),
        about?.reason ? el('p', { class: 'dim' }, about.reason) : null,
        about?.remedy ? el('p', {}, el('b', {}, 'Remedy: '), about.remedy) : null,
        el('ul', {}, findings.slice(0, most).map((finding) => el('li', {},
          el('span', { class: 'dim' }, `${momentWords(finding.at)}${finding.conn ? ` #${finding.conn}` : ''} `),
          finding.words, finding.count > 1 ? el('b', {}, ` × ${numberWords(finding.count)}`) : null, ' ',
          finding.calls.slice(0, 5).map((seq) => [linkButton(`#${seq}`, () => app.selectSeq(seq), callTitle(store, seq)), ' '])))),
        findings.length > most ? linkButton(`${countWords(findings.length - most, 'more finding')}…`, () => {
          shown.set(rule, most * 10);
          update();
        }) : null);
    }));
  };
  return { id: 'findings', title: 'Findings', node, update, count: () => store.findings.length };
}

function callTitle(store, seq) {
  const i = store.indexOf(seq);
  return i < 0 ? '' : `${store.methodName(i)} of ${store.objectName(i)}, ${timeWords(store.latency(i))}`;
}
